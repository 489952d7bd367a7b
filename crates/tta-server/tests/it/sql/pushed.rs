//! What a table answers itself is what SQLite would have answered.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tta_server::Reader;

use super::made::{SERVICES, made};
use super::{one, rows};
use crate::support::NOW;

/// A condition, and the same in a form that no table sees through.
fn condition(random: &mut StdRng) -> (String, String) {
    let words =
        ["primitive", "primitive_type", "workflow", "agent", "agent_type", "session", "provider", "model"];
    let texts = ["primitive", "type", "workflow", "agent", "kind of agent", "session", "provider", "model"];
    let of_text =
        |column: &str, text: String| (format!("{column} = '{text}'"), format!("{column} || '' = '{text}'"));
    match random.random_range(0..9) {
        0 => {
            let at = random.random_range(0..words.len());
            of_text(words[at], format!("{} {}", texts[at], random.random_range(0..4)))
        }
        1 => of_text("service", SERVICES[random.random_range(0..SERVICES.len())].to_owned()),
        2 => of_text("name", format!("operation {}", random.random_range(0..5))),
        3 => {
            let kinds = ["unspecified", "internal", "server", "client", "producer", "consumer", "none"];
            of_text("kind", kinds[random.random_range(0..kinds.len())].to_owned())
        }
        4 => {
            let statuses = ["unset", "ok", "error", ""];
            of_text("status", statuses[random.random_range(0..statuses.len())].to_owned())
        }
        5 => of_text("trace_id", format!("{:032x}", random.random_range(1..70_u8))),
        6 => {
            let service = format!("('shop', '{}')", SERVICES[random.random_range(0..SERVICES.len())]);
            (format!("service IN {service}"), format!("service || '' IN {service}"))
        }
        _ => range(random),
    }
}

fn range(random: &mut StdRng) -> (String, String) {
    let op = ["<", "<=", "=", ">=", ">"][random.random_range(0..5)];
    let (column, number) = match random.random_range(0..3) {
        0 => ("start_unix_ns", (NOW + random.random_range(0..1_200_000_000_000)).to_string()),
        1 => ("duration_ns", random.random_range(0..3_000_000_000_u64).to_string()),
        _ => ("duration_ms", format!("{}.{}", random.random_range(0..3_000), random.random_range(0..1_000))),
    };
    (format!("{column} {op} {number}"), format!("+{column} {op} {number}"))
}

fn sorted(reader: &Reader, statement: &str) -> Vec<Vec<String>> {
    let mut rows = rows(reader, statement);
    rows.sort();
    rows
}

#[test]
fn conditions_on_spans_mean_the_same_wherever_they_are_checked() {
    let made = made(11);
    let reader = made.store.reader();
    let mut random = StdRng::seed_from_u64(12);
    let mut found = 0;
    for _ in 0..80 {
        let conditions: Vec<_> = (0..random.random_range(1..4)).map(|_| condition(&mut random)).collect();
        let glue = if random.random_bool(0.3) { " OR " } else { " AND " };
        let join = |part: fn(&(String, String)) -> &String| {
            conditions.iter().map(|condition| part(condition).as_str()).collect::<Vec<_>>().join(glue)
        };
        let select = |fits: String| {
            sorted(&reader, &format!("SELECT trace_id, span_id, name, attributes FROM spans WHERE {fits}"))
        };
        let (pushed, checked) = (select(join(|pair| &pair.0)), select(join(|pair| &pair.1)));
        assert_eq!(pushed, checked, "{}", join(|pair| &pair.0));
        found += pushed.len();
    }
    assert!(found > 1_000, "{found}");
}

#[test]
fn conditions_on_traces_mean_the_same_wherever_they_are_checked() {
    let made = made(13);
    let reader = made.store.reader();
    let mut random = StdRng::seed_from_u64(14);
    let mut found = 0;
    for _ in 0..12 {
        let (pushed, checked) = match random.random_range(0..5) {
            0 => (String::from("service = 'bank'"), String::from("service || '' = 'bank'")),
            1 => {
                let name = format!("'operation {}'", random.next_u32() % 5);
                (
                    format!("name = {name} AND service = 'shop'"),
                    format!("name || '' = {name} AND +service = 'shop'"),
                )
            }
            2 => {
                let errors = random.random_range(0..4);
                (format!("errors > {errors}"), format!("+errors > {errors}"))
            }
            3 => {
                let id = format!("'{:032x}'", random.random_range(1..70_u8));
                (format!("trace_id = {id}"), format!("trace_id || '' = {id}"))
            }
            _ => {
                let at = NOW + random.random_range(0..1_200_000_000_000);
                let op = if random.random_bool(0.5) { "<" } else { ">=" };
                (format!("start_unix_ns {op} {at}"), format!("+start_unix_ns {op} {at}"))
            }
        };
        let select = |fits: &str| sorted(&reader, &format!("SELECT * FROM traces WHERE {fits}"));
        let fitting = select(&pushed);
        assert_eq!(fitting, select(&checked), "{pushed}");
        found += fitting.len();
    }
    assert!(found > 50, "{found}");
}

#[test]
fn a_number_or_a_case_that_does_not_fit_is_left_to_sqlite() {
    let made = made(15);
    let reader = made.store.reader();
    let count = |fits: &str| one(&reader, &format!("SELECT count(*) FROM spans WHERE {fits}"));
    assert_ne!(count("service = 'SHOP' COLLATE NOCASE"), "0");
    assert_eq!(count("service = 'SHOP'"), "0");
    assert_eq!(count("service = NULL"), "0");
    assert_eq!(count("trace_id = 7"), "0");
    assert_eq!(count("trace_id = 'no id'"), "0");
    assert_eq!(count("trace_id = '7'"), "0");
    assert_eq!(count("duration_ns >= '0'"), count("1"));
    assert_eq!(count("duration_ns < 'text'"), count("1"));
    assert_eq!(count("start_unix_ns > 1e300"), "0");
    assert_eq!(count("workflow = ''"), "0");
    assert_eq!(count("model IS NULL OR model IS NOT NULL"), count("1"));
}

#[test]
fn the_latest_are_read_without_sorting_all() {
    let made = made(16);
    let reader = made.store.reader();
    let plan = |statement: &str| {
        let rows = rows(&reader, &format!("EXPLAIN QUERY PLAN {statement}"));
        rows.iter().map(|row| row[3].clone()).collect::<Vec<_>>().join("; ")
    };
    let latest = plan("SELECT name FROM spans WHERE service = 'shop' ORDER BY start_unix_ns DESC LIMIT 3");
    assert!(!latest.contains("TEMP B-TREE") && latest.contains("=3"), "{latest}");
    assert!(plan("SELECT name FROM spans ORDER BY start_unix_ns").contains("TEMP B-TREE"));
    assert!(plan("SELECT name FROM spans ORDER BY start_unix_ns DESC, name").contains("TEMP B-TREE"));
    let of_trace = "SELECT start_unix_ns FROM spans WHERE trace_id = '00000000000000000000000000000007'";
    let mut starts = rows(&reader, of_trace);
    starts.sort();
    starts.reverse();
    assert_eq!(rows(&reader, &format!("{of_trace} ORDER BY start_unix_ns DESC")), starts);
    assert!(starts.len() > 3);
}
