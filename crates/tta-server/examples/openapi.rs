//! Prints the description of the API, which is kept in `openapi.json` beside this crate's manifest.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", tta_server::api::openapi().to_pretty_json()?);
    Ok(())
}
