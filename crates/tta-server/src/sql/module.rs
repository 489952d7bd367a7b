//! A table of ours as one of SQLite's virtual tables.
//!
//! SQLite calls a virtual table through pointers to structs that begin with its own, so the traits of rusqlite for them are unsafe to
//! implement: the struct has to have the layout of C and SQLite's struct as its first field. That is all that is promised here, twice;
//! nothing is dereferenced.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::sync::Arc;

use rusqlite::vtab::{
    Context, Filters, IndexInfo, Module, VTab, VTabConnection, VTabCursor, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result};

use super::plan;
use super::table::{Scan, Scannable};
use crate::read::ReadError;

/// Makes a table known by its name.
pub(super) fn register(connection: &Connection, table: Arc<dyn Scannable>) -> Result<()> {
    const MODULE: &Module<'static, Virtual> = &Module::eponymous_only_module();
    connection.create_module(table.about().name, MODULE, Some(table))
}

/// A table, as a connection sees it.
#[repr(C)]
struct Virtual {
    /// SQLite's own; it has to come first.
    base: sqlite3_vtab,
    table: Arc<dyn Scannable>,
}

#[expect(
    unsafe_code,
    reason = "the struct has the layout of C and begins with `sqlite3_vtab`, as the trait demands"
)]
unsafe impl VTab<'_> for Virtual {
    type Aux = Arc<dyn Scannable>;
    type Cursor = Cursor;

    fn connect(
        _connection: &mut VTabConnection,
        table: Option<&Self::Aux>,
        _module: &[u8],
        _database: &[u8],
        _name: &[u8],
        _arguments: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let table = table.ok_or_else(|| Error::ModuleError(String::from("the table was not given")))?;
        let declaration = CString::new(table.about().declaration())?;
        Ok((Cow::Owned(declaration), Self { base: sqlite3_vtab::default(), table: Arc::clone(table) }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        plan::choose(&*self.table, info)?;
        Ok(true)
    }

    fn open(&mut self) -> Result<Cursor> {
        let table = Arc::clone(&self.table);
        Ok(Cursor { base: sqlite3_vtab_cursor::default(), table, scan: None })
    }
}

/// A scan of a table.
#[repr(C)]
struct Cursor {
    /// SQLite's own; it has to come first.
    base: sqlite3_vtab_cursor,
    table: Arc<dyn Scannable>,
    /// None at the end.
    scan: Option<Box<dyn Scan>>,
}

#[expect(
    unsafe_code,
    reason = "the struct has the layout of C and begins with `sqlite3_vtab_cursor`, as the trait demands"
)]
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, _plan: c_int, plan: Option<&str>, values: &Filters<'_>) -> Result<()> {
        self.scan = None;
        let wanted = plan::wanted(&*self.table, plan.unwrap_or(""), values)?;
        self.scan = Some(self.table.scan(&wanted).map_err(failed)?);
        self.next()
    }

    fn next(&mut self) -> Result<()> {
        if let Some(scan) = &mut self.scan
            && !scan.advance().map_err(failed)?
        {
            self.scan = None;
        }
        Ok(())
    }

    fn eof(&self) -> bool {
        self.scan.is_none()
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let (Some(scan), Ok(column)) = (&self.scan, usize::try_from(column)) else { return Ok(()) };
        context.set_result(scan.value(column).map_err(failed)?)
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.scan.as_ref().map_or(0, |scan| scan.key().cast_signed()))
    }
}

fn failed(error: ReadError) -> Error {
    Error::ModuleError(error.to_string())
}
