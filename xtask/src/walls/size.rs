//! Files and functions that have grown too long, in lines of code: tests, comments and blanks do not count.

use super::{Crate, Violation};
use crate::source::Source;

/// Above this a file is reported.
const LONG_FILE: usize = 400;
/// Above this a file breaks the wall.
const LONGEST_FILE: usize = 500;
/// Above this a function is reported.
const LONG_FUNCTION: usize = 40;

/// Finds the files that are too long to stay.
pub(super) fn check(crates: &[Crate]) -> Vec<Violation> {
    let long = sources(crates).filter(|source| source.code.len() > LONGEST_FILE);
    long.map(|source| {
        let message =
            format!("{} lines of code, more than {LONGEST_FILE}; split it by idea", source.code.len());
        Violation::new(&source.path, 1, message)
    })
    .collect()
}

/// Prints the sizes, and a table of what is longer than it should be.
pub(super) fn print_report(crates: &[Crate]) {
    for member in crates {
        let mut sizes: Vec<usize> = member.sources.iter().map(|source| source.code.len()).collect();
        sizes.sort_unstable();
        let (median, longest) = (sizes.get(sizes.len() / 2).unwrap_or(&0), sizes.last().unwrap_or(&0));
        let total: usize = sizes.iter().sum();
        println!(
            "  {}: {total} lines of code in {} files, median {median}, longest {longest}",
            member.name,
            sizes.len()
        );
    }
    for warning in warnings(crates) {
        println!("  warning: {warning}");
    }
}

fn warnings(crates: &[Crate]) -> Vec<Violation> {
    let mut warnings = Vec::new();
    for source in sources(crates) {
        if source.code.len() > LONG_FILE {
            let message = format!("{} lines of code, more than {LONG_FILE}", source.code.len());
            warnings.push(Violation::new(&source.path, 1, message));
        }
        for function in source.functions.iter().filter(|function| function.code_lines > LONG_FUNCTION) {
            let message =
                format!("`{}` has {} lines, more than {LONG_FUNCTION}", function.name, function.code_lines);
            warnings.push(Violation::new(&source.path, function.line, message));
        }
    }
    warnings
}

fn sources(crates: &[Crate]) -> impl Iterator<Item = &Source> {
    crates.iter().flat_map(|member| &member.sources)
}

#[cfg(test)]
mod tests {
    use super::{check, warnings};
    use crate::walls::tests::planted;

    #[test]
    fn a_long_file_is_reported_and_a_longer_one_found() {
        let lines = |count: usize| planted("tta", "lib.rs", &"const A: u8 = 1;\n\n// why\n".repeat(count));
        assert_eq!((check(&lines(400)).len(), warnings(&lines(400)).len()), (0, 0));
        assert_eq!((check(&lines(401)).len(), warnings(&lines(401)).len()), (0, 1));
        assert_eq!(check(&lines(501)).len(), 1);
    }

    #[test]
    fn tests_do_not_lengthen_a_file() {
        let text = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(600));
        assert_eq!(check(&planted("tta", "lib.rs", &text)), []);
    }

    #[test]
    fn a_long_function_is_reported() {
        let text = format!("fn f() {{\n{}}}\n", "g();\n".repeat(39));
        assert_eq!(warnings(&planted("tta", "lib.rs", &text)).len(), 1);
    }
}
