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
    if arguments.flame {
        let graph = arguments.source.get(&format!("/api/tta/v1/traces/{id}/flame"), &[])?;
        return Ok(fold(&graph, &mut io::stdout().lock())?);
    }
    let mut answer =
        arguments.source.get(&format!("/api/v3/traces/{id}"), &[]).map_err(|error| {
            match error.to_string().as_str() {
                "No traces found" => {
                    format!("nothing of trace {id} is stored; `tta traces` lists what there is").into()
                }
                _ => error,
            }
        })?;
    let found = answer["result"].take();
    if arguments.json {
        return print_json(&found);
    }
    let width = terminal_size().map_or(DEFAULT_WIDTH, |(Width(columns), _)| usize::from(columns));
    print(&waterfall(&spans::of(&found), &WaterfallOptions { width, colour: is_coloured() }))
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
