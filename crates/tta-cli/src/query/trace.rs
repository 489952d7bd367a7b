//! `tta trace ID`: one trace.

use std::error::Error;
use std::io::{self, Write};

use clap::Args;
use serde_json::Value;
use terminal_size::{Width, terminal_size};

use super::source::Source;
use super::{is_coloured, number, print, print_json, spans};
use crate::render::waterfall::{WaterfallOptions, waterfall};

/// How wide a waterfall is where no terminal says.
const DEFAULT_WIDTH: usize = 110;

/// What `tta trace` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The id of the trace; of a short one the zeros in front can be left out.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    source: Source,
    /// Print the spans as OTLP's JSON.
    #[arg(long, conflicts_with = "flame")]
    json: bool,
    /// Print folded stacks, from which other programs draw flame graphs: names, and nanoseconds of their own.
    #[arg(long)]
    flame: bool,
}

/// Shows the trace.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let id = &arguments.id;
    if id.is_empty() || id.len() > 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("`{id}` is no id of a trace; give its 32 hexadecimal digits").into());
    }
    if id.bytes().all(|byte| byte == b'0') {
        return Err("no trace has an id of zeros only; `tta traces` lists what there is".into());
    }
    if arguments.flame {
        let path = format!("/api/tta/v1/traces/{id}/flame");
        let graph = arguments.source.get(&path, &[], "frames").map_err(|error| unknown(error, id))?;
        return Ok(fold(&graph, &mut io::stdout().lock())?);
    }
    let path = format!("/api/v3/traces/{id}");
    let mut answer = arguments.source.get(&path, &[], "result").map_err(|error| unknown(error, id))?;
    let found = answer["result"].take();
    if arguments.json {
        return print_json(&found);
    }
    let width = terminal_size().map_or(DEFAULT_WIDTH, |(Width(columns), _)| usize::from(columns));
    print(&waterfall(&spans::of(&found), &WaterfallOptions { width, colour: is_coloured() }))
}

/// Says in the words of commands that there is no such trace.
fn unknown(error: Box<dyn Error>, id: &str) -> Box<dyn Error> {
    let said = error.to_string();
    match said == "No traces found" || said.starts_with("nothing of trace ") {
        true => format!("nothing of trace {id} is stored; `tta traces` lists what there is").into(),
        false => error,
    }
}

/// Writes a line for each frame that has time of its own.
fn fold(graph: &Value, out: &mut impl Write) -> io::Result<()> {
    let frames = &graph["frames"];
    let column = |name: &str| frames[name].as_array().cloned().unwrap_or_default();
    let (parents, names, own) = (column("parent"), column("name"), column("own_nanos"));
    for (at, nanos) in own.iter().enumerate().filter(|(_, nanos)| number(nanos) > 0) {
        let mut path = Vec::new();
        let mut above = Some(at);
        while let Some(place) = above {
            let name = names.get(place).and_then(Value::as_u64).unwrap_or(0) as usize;
            // What separates must not be in a name.
            path.push(super::text(&graph["names"][name]).replace(';', ","));
            above = parents.get(place).and_then(Value::as_u64).map(|parent| parent as usize);
        }
        path.reverse();
        writeln!(out, "{} {}", path.join(";"), number(nanos))?;
    }
    Ok(())
}
