//! What a Rust file says, without its tests and its prose.
//!
//! The walls ask simple questions: which string is written here, which path is named, which method or
//! macro is called. Macros hide half of the answers from a syntax tree (`select!`, `format!`), so the
//! questions go to the tokens, where nothing hides. The syntax tree measures functions only.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::visit::Visit;

/// One thing that a file says, and the line where it does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) line: usize,
    pub(crate) said: Said,
}

/// The kinds of things the walls ask about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A string literal's value.
    Text(String),
    /// A path, in an expression, a type or a `use`: `tokio::time::sleep` is three segments.
    Path(Vec<String>),
    /// A method's name at its call.
    Method(String),
    /// A macro's name at its call, without its path.
    Macro(String),
}

/// The length of one function in lines of code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) code_lines: usize,
}

/// A Rust file without its tests, comments and documentation.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) facts: Vec<Fact>,
    pub(crate) functions: Vec<Function>,
    /// The lines that hold code.
    pub(crate) code: BTreeSet<usize>,
    /// The lines of items that exist in tests only.
    pub(crate) tests: Vec<RangeInclusive<usize>>,
    /// Modules in files of their own that exist in tests only.
    pub(crate) test_modules: Vec<String>,
}

impl Source {
    /// Reads `text` as the file at `path`.
    ///
    /// # Errors
    ///
    /// When it is not Rust.
    pub(crate) fn parse(path: impl Into<PathBuf>, text: &str) -> Result<Self> {
        let path = path.into();
        let tokens: TokenStream =
            text.parse().map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        let file = syn::parse_file(text).with_context(|| format!("cannot parse {}", path.display()))?;
        let mut source = Source { path, ..Source::default() };
        source.scan(tokens, &[]);
        Functions(&mut source).visit_file(&file);
        Ok(source)
    }

    /// Reads the Rust files below `folder` that are not test modules; paths are relative to `root`.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or is not Rust.
    pub(crate) fn read_all(root: &Path, folder: &Path) -> Result<Vec<Self>> {
        let mut sources = Vec::new();
        for file in crate::workspace::rust_files(folder)? {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            sources.push(Source::parse(file.strip_prefix(root).unwrap_or(&file), &text)?);
        }
        let tests: Vec<PathBuf> = sources.iter().flat_map(Source::test_module_paths).collect();
        sources.retain(|source| {
            !tests
                .iter()
                .any(|test| source.path.starts_with(test) || source.path == test.with_extension("rs"))
        });
        Ok(sources)
    }

    /// Tells whether `line` belongs to an item that exists in tests only.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&line))
    }

    /// Returns the folders that hold this file's test modules; a module `m` is also the file `m.rs` beside it.
    fn test_module_paths(&self) -> Vec<PathBuf> {
        let is_root = self
            .path
            .file_name()
            .is_some_and(|name| name == "lib.rs" || name == "main.rs" || name == "mod.rs");
        let folder = if is_root {
            self.path.parent().map(Path::to_owned).unwrap_or_default()
        } else {
            self.path.with_extension("")
        };
        self.test_modules.iter().map(|module| folder.join(module)).collect()
    }

    fn scan(&mut self, tokens: TokenStream, prefix: &[String]) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < trees.len() {
            at = match &trees[at] {
                TokenTree::Punct(punct) if punct.as_char() == '#' => self.attribute(&trees, at),
                TokenTree::Ident(_) => self.path(&trees, at, prefix),
                TokenTree::Literal(literal) => {
                    self.mark(literal.span());
                    if let syn::Lit::Str(text) = syn::Lit::new(literal.clone()) {
                        self.say(literal.span(), Said::Text(text.value()));
                    }
                    at + 1
                }
                TokenTree::Group(group) => {
                    self.mark(group.span_open());
                    self.mark(group.span_close());
                    self.scan(group.stream(), &[]);
                    at + 1
                }
                TokenTree::Punct(punct) => {
                    self.mark(punct.span());
                    at + 1
                }
            };
        }
    }

    /// Reads an attribute at `#`: documentation is passed over, and so is what only tests have.
    fn attribute(&mut self, trees: &[TokenTree], at: usize) -> usize {
        let inner = is_punct(trees.get(at + 1), '!');
        let Some(group) = bracketed(trees.get(at + 1 + usize::from(inner))) else {
            self.mark(trees[at].span());
            return at + 1;
        };
        let after = at + 2 + usize::from(inner);
        let words: Vec<TokenTree> = group.stream().into_iter().collect();
        if is_ident(words.first(), "doc") {
            return after;
        }
        if is_for_tests(&words) {
            let end = if inner { trees.len() } else { self.end_of_item(trees, after) };
            let last = trees[end - 1].span().end().line;
            self.tests.push(trees[at].span().start().line..=last);
            return end;
        }
        self.mark(trees[at].span());
        self.mark(group.span_close());
        self.scan(group.stream(), &[]);
        after
    }

    /// Finds the end of the item that starts at `at`, and notes a test module in a file of its own.
    fn end_of_item(&mut self, trees: &[TokenTree], at: usize) -> usize {
        let ends_with_semicolon = ends_with_semicolon(&trees[at..]);
        for (index, tree) in trees.iter().enumerate().skip(at) {
            match tree {
                TokenTree::Ident(word) if word == "mod" && is_punct(trees.get(index + 2), ';') => {
                    self.test_modules.push(trees[index + 1].to_string());
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => return index + 1,
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !ends_with_semicolon => {
                    return index + 1;
                }
                _ => {}
            }
        }
        trees.len()
    }

    /// Reads a path, and with it a macro's or a method's name; `prefix` is the path before a group of a `use`.
    fn path(&mut self, trees: &[TokenTree], start: usize, prefix: &[String]) -> usize {
        let span = trees[start].span();
        self.mark(span);
        let mut segments = prefix.to_vec();
        segments.push(trees[start].to_string());
        let mut at = start + 1;
        while is_punct(trees.get(at), ':') && is_punct(trees.get(at + 1), ':') {
            match trees.get(at + 2) {
                Some(TokenTree::Ident(segment)) => {
                    self.mark(segment.span());
                    segments.push(segment.to_string());
                    at += 3;
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.mark(group.span_open());
                    self.mark(group.span_close());
                    self.scan(group.stream(), &segments);
                    return at + 3;
                }
                _ => break,
            }
        }
        let is_macro = is_punct(trees.get(at), '!') && matches!(trees.get(at + 1), Some(TokenTree::Group(_)));
        let is_method = start > 0 && is_punct(trees.get(start - 1), '.');
        let name = segments.last().cloned().unwrap_or_default();
        let said = match (is_macro, is_method) {
            (true, _) => Said::Macro(name),
            (_, true) => Said::Method(name),
            _ => Said::Path(segments),
        };
        self.say(span, said);
        at
    }

    fn say(&mut self, span: Span, said: Said) {
        self.facts.push(Fact { line: span.start().line, said });
    }

    fn mark(&mut self, span: Span) {
        self.code.extend(span.start().line..=span.end().line);
    }
}

/// Tells whether an item ends at its semicolon, so that a brace before it belongs to its value.
fn ends_with_semicolon(item: &[TokenTree]) -> bool {
    const KEYWORDS: [&str; 13] = [
        "use",
        "let",
        "static",
        "type",
        "const",
        "fn",
        "mod",
        "struct",
        "enum",
        "union",
        "trait",
        "impl",
        "macro_rules",
    ];
    let keyword = item.iter().position(|tree| KEYWORDS.iter().any(|keyword| is_ident(Some(tree), keyword)));
    let Some(at) = keyword else { return false };
    let starts_function =
        ["fn", "async", "unsafe", "extern"].iter().any(|word| is_ident(item.get(at + 1), word));
    match item[at].to_string().as_str() {
        "const" => !starts_function,
        word => ["use", "let", "static", "type"].contains(&word),
    }
}

/// Tells whether the words of an attribute say that its item exists in tests only.
fn is_for_tests(words: &[TokenTree]) -> bool {
    if is_ident(words.first(), "cfg") {
        return matches!(words.get(1), Some(TokenTree::Group(group)) if needs_test(group.stream()));
    }
    let path: Vec<&TokenTree> =
        words.iter().take_while(|word| !matches!(word, TokenTree::Group(_))).collect();
    is_ident(path.last().copied(), "test")
}

/// Tells whether a `cfg` condition can only hold in a test.
fn needs_test(condition: TokenStream) -> bool {
    let words: Vec<TokenTree> = condition.into_iter().collect();
    let parts = |group: &TokenTree| -> Vec<TokenStream> {
        let TokenTree::Group(group) = group else { return Vec::new() };
        let trees: Vec<TokenTree> = group.stream().into_iter().collect();
        let parts = trees.split(|tree| is_punct(Some(tree), ','));
        parts.filter(|part| !part.is_empty()).map(|part| part.iter().cloned().collect()).collect()
    };
    match words.as_slice() {
        [word] => is_ident(Some(word), "test"),
        [word, group] if is_ident(Some(word), "all") => parts(group).into_iter().any(needs_test),
        [word, group] if is_ident(Some(word), "any") => {
            let parts = parts(group);
            !parts.is_empty() && parts.into_iter().all(needs_test)
        }
        _ => false,
    }
}

fn is_punct(tree: Option<&TokenTree>, wanted: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_ident(tree: Option<&TokenTree>, wanted: &str) -> bool {
    matches!(tree, Some(TokenTree::Ident(ident)) if ident == wanted)
}

fn bracketed(tree: Option<&TokenTree>) -> Option<&proc_macro2::Group> {
    match tree {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => Some(group),
        _ => None,
    }
}

/// Measures functions.
struct Functions<'a>(&'a mut Source);

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.fn_token.span.start().line;
        if !self.0.is_test(line) {
            let code_lines = self.0.code.range(line..=block.brace_token.span.close().end().line).count();
            self.0.functions.push(Function { name: signature.ident.to_string(), line, code_lines });
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, Source};

    fn said(text: &str) -> Vec<Said> {
        Source::parse("lib.rs", text)
            .expect("the text is Rust")
            .facts
            .into_iter()
            .map(|fact| fact.said)
            .collect()
    }

    fn path(text: &str) -> Said {
        Said::Path(text.split("::").map(str::to_owned).collect())
    }

    #[test]
    fn sees_inside_macros_and_use_groups() {
        let facts = said(
            "use tokio::{sync::Mutex, time::{self, sleep}};\nfn f() { select! { _ = time::sleep(d) => g(\"x\") } }",
        );
        assert!(facts.contains(&path("tokio::sync::Mutex")));
        assert!(facts.contains(&path("tokio::time::sleep")));
        assert!(facts.contains(&path("time::sleep")));
        assert!(facts.contains(&Said::Text(String::from("x"))));
        assert!(facts.contains(&Said::Macro(String::from("select"))));
    }

    #[test]
    fn tells_methods_from_functions() {
        let facts = said("fn f() { set.spawn(g()); spawn(h()); }");
        assert!(facts.contains(&Said::Method(String::from("spawn"))));
        assert!(facts.contains(&path("spawn")));
    }

    #[test]
    fn leaves_documentation_and_comments_out() {
        let text = "//! \"a.b\"\n/// \"c.d\"\nfn f() {\n    // \"e.f\"\n    g(\"h.i\")\n}\n";
        let texts: Vec<Said> = said(text).into_iter().filter(|fact| matches!(fact, Said::Text(_))).collect();
        assert_eq!(texts, [Said::Text(String::from("h.i"))]);
        let source = Source::parse("lib.rs", text).expect("the text is Rust");
        assert_eq!(source.code.into_iter().collect::<Vec<_>>(), [3, 5, 6]);
    }

    #[test]
    fn leaves_out_what_only_tests_have() {
        let hidden = |attribute: &str| {
            !said(&format!("{attribute}\nfn f() {{ g(\"x\") }}")).contains(&Said::Text(String::from("x")))
        };
        assert!(hidden("#[cfg(test)]"));
        assert!(hidden("#[cfg(all(test, feature = \"y\"))]"));
        assert!(hidden("#[test]"));
        assert!(hidden("#[tokio::test(start_paused = true)]"));
        assert!(!hidden("#[cfg(not(test))]"));
        assert!(!hidden("#[cfg(any(test, feature = \"y\"))]"));
        assert!(!hidden("#[inline]"));
    }

    #[test]
    fn what_follows_a_test_item_counts_again() {
        for item in [
            "use a::{b};",
            "mod tests { const X: u8 = 1; }",
            "const X: A = A { b };",
            "fn f<const A: usize, B>() -> &'static str { \"\" }",
            "mod m;",
        ] {
            let facts = said(&format!("#[cfg(test)]\n{item}\nfn g() {{ h(\"x\") }}"));
            assert!(facts.contains(&Said::Text(String::from("x"))), "{item}");
        }
    }

    #[test]
    fn finds_test_modules_in_their_own_files() {
        let source =
            Source::parse("src/retry.rs", "#[cfg(test)]\npub(crate) mod checks;").expect("the text is Rust");
        assert_eq!(source.test_module_paths(), [std::path::Path::new("src/retry/checks")]);
    }

    #[test]
    fn measures_functions_in_lines_of_code() {
        let source =
            Source::parse("lib.rs", "fn f() {\n    // why\n\n    g();\n}\n").expect("the text is Rust");
        assert_eq!((source.functions[0].name.as_str(), source.functions[0].code_lines), ("f", 3));
    }
}
