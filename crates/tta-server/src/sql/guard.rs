//! What a statement may do, and for how long.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// The pragmas that only tell of tables and functions, whatever their argument.
const PRAGMAS: &[&str] = &["collation_list", "function_list", "table_info", "table_list", "table_xinfo"];

/// What the callbacks of a connection and its owner have in common.
#[derive(Default)]
pub(super) struct Guard {
    /// What was refused of the statement that is being prepared.
    refused: Mutex<Option<String>>,
    is_interrupted: AtomicBool,
    /// Whether somebody who asked was told to stop.
    is_stopped: AtomicBool,
    deadline: Mutex<Option<Instant>>,
}

impl Guard {
    /// Gets ready for a statement. An interrupt that came before it counts for nothing.
    pub(super) fn begin(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.is_interrupted.store(false, Relaxed);
        self.is_stopped.store(false, Relaxed);
        self.set_deadline(None);
    }

    pub(super) fn set_deadline(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    pub(super) fn interrupt(&self) {
        self.is_interrupted.store(true, Relaxed);
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Relaxed)
    }

    pub(super) fn is_late(&self) -> bool {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Asks whether to go on. SQLite asks only between its own instructions, of which one may read a lot.
    pub(super) fn ask(&self) -> rusqlite::Result<()> {
        if !self.is_interrupted() && !self.is_late() {
            return Ok(());
        }
        self.is_stopped.store(true, Relaxed);
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT);
        Err(rusqlite::Error::SqliteFailure(code, None))
    }

    /// Whether the statement ended because [`ask`](Self::ask) said so.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Relaxed)
    }

    /// What was refused since the statement began.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Decides on one action of a statement.
    pub(super) fn authorize(self: &Arc<Self>, context: &AuthContext<'_>) -> Authorization {
        let Some(what) = refusal(&context.action) else { return Authorization::Allow };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
        Authorization::Deny
    }
}

/// What is wrong with an action; none if it only reads.
fn refusal(action: &AuthAction<'_>) -> Option<String> {
    Some(match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => return None,
        // It would run whatever is in a file.
        AuthAction::Function { function_name } => {
            let is_dangerous = function_name.eq_ignore_ascii_case("load_extension");
            return is_dangerous.then(|| format!("{function_name}()"));
        }
        AuthAction::Pragma { pragma_name, .. } => {
            let is_known = PRAGMAS.iter().any(|known| pragma_name.eq_ignore_ascii_case(known));
            return (!is_known).then(|| format!("PRAGMA {pragma_name}"));
        }
        AuthAction::Attach { .. } => String::from("ATTACH"),
        AuthAction::Detach { .. } => String::from("DETACH"),
        AuthAction::Insert { table_name } => format!("writing to {table_name}"),
        AuthAction::Update { table_name, .. } => format!("changing {table_name}"),
        AuthAction::Delete { table_name } => format!("deleting from {table_name}"),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => String::from("a transaction"),
        _ => String::from("a change of the schema"),
    })
}
