//! The text of a source, without what is not read aloud.
//!
//! Code, tables, images and the targets of links would be taken for words and sentences, and the
//! summary would be made of them.

use pulldown_cmark::{BrokenLink, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::document::Block;

/// The text of Markdown.
pub(crate) fn markdown(source: &str) -> Vec<Block> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    // `[Name]` without a target is a link to an item in a doc comment: its brackets are markup too.
    let resolve = |_: BrokenLink<'_>| Some((CowStr::Borrowed(""), CowStr::Borrowed("")));
    let mut text = TextOfMarkdown::default();
    for event in Parser::new_with_broken_link_callback(source, options, Some(resolve)) {
        text.take(&event);
    }
    text.end_block(Block::Paragraph);
    text.blocks
}

/// The text of the doc comments of Rust.
///
/// The lines are found by their first characters, not by a parser: a file that does not compile has
/// comments as well, and a string that looks like a comment is rare and harmless.
pub(crate) fn rust_docs(source: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut comment = String::new();
    for line in source.lines() {
        if let Some(text) = doc_comment(line) {
            comment.push_str(text);
            comment.push('\n');
        } else if !comment.is_empty() {
            // Each comment by itself, so that a fence left open ends where its comment ends.
            blocks.extend(markdown(&comment));
            comment.clear();
        }
    }
    blocks.extend(markdown(&comment));
    blocks
}

/// The text of anything else: an empty line ends a paragraph.
pub(crate) fn plain(source: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    for line in source.lines().chain([""]) {
        paragraph.push(' ');
        paragraph.push_str(line);
        if line.trim().is_empty() {
            push_block(&mut blocks, &mut paragraph, Block::Paragraph);
        }
    }
    blocks
}

/// The blocks so far, and the one that is being read.
#[derive(Default)]
struct TextOfMarkdown {
    blocks: Vec<Block>,
    current: String,
    /// How many elements that are no text are open.
    skipped: usize,
    /// Whether the innermost link is an address that is its own text; such links do not nest.
    in_address: bool,
}

impl TextOfMarkdown {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(Tag::Link { link_type: LinkType::Autolink | LinkType::Email, .. }) => {
                self.skipped += 1;
                self.in_address = true;
            }
            Event::End(TagEnd::Link) if self.in_address => {
                self.skipped -= 1;
                self.in_address = false;
            }
            Event::Start(tag) if is_skipped(tag) => self.skipped += 1,
            Event::End(TagEnd::Image | TagEnd::CodeBlock | TagEnd::Table | TagEnd::HtmlBlock)
            | Event::End(TagEnd::MetadataBlock(_)) => self.skipped -= 1,
            _ if self.skipped > 0 => {}
            Event::Text(text) | Event::Code(text) => self.current.push_str(text),
            Event::SoftBreak | Event::HardBreak => self.current.push(' '),
            Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::Item | Tag::List(_))
            | Event::End(TagEnd::Paragraph | TagEnd::Item) => self.end_block(Block::Paragraph),
            Event::End(TagEnd::Heading(_)) => self.end_block(Block::Heading),
            _ => {}
        }
        // Content that begins after something that was skipped is not part of what was before it.
        if matches!(event, Event::End(TagEnd::CodeBlock | TagEnd::Table | TagEnd::HtmlBlock)) {
            self.end_block(Block::Paragraph);
        }
    }

    fn end_block(&mut self, kind: fn(String) -> Block) {
        push_block(&mut self.blocks, &mut self.current, kind);
    }
}

fn is_skipped(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::Image { .. } | Tag::CodeBlock(_) | Tag::Table(_) | Tag::HtmlBlock | Tag::MetadataBlock(_)
    )
}

/// The text of a doc comment, without its mark and the space after it.
fn doc_comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    // Four slashes are a ruler in a comment, not documentation.
    let text = line
        .strip_prefix("//!")
        .or_else(|| line.strip_prefix("///").filter(|rest| !rest.starts_with('/')))?;
    Some(text.strip_prefix(' ').unwrap_or(text))
}

/// Moves the text to the blocks, with one space for any white space, unless there is none.
fn push_block(blocks: &mut Vec<Block>, text: &mut String, kind: fn(String) -> Block) {
    let words: Vec<&str> = text.split_whitespace().collect();
    if !words.is_empty() {
        blocks.push(kind(words.join(" ")));
    }
    text.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: &[Block], expect: &[&str]) {
        let shown: Vec<String> = blocks
            .iter()
            .map(|block| match block {
                Block::Heading(text) => format!("# {text}"),
                Block::Paragraph(text) => text.clone(),
            })
            .collect();
        assert_eq!(shown, expect);
    }

    #[test]
    fn markdown_loses_its_marks_and_keeps_its_words() {
        check(
            &markdown("# The `Retry`\n\nIt *tries*\nagain, see [the docs](https://example.org/retry)."),
            &["# The Retry", "It tries again, see the docs."],
        );
        check(&markdown("Title\n=====\nOne.\n\n---\n\nTwo."), &["# Title", "One.", "Two."]);
    }

    #[test]
    fn what_is_not_read_aloud_is_left_out() {
        check(
            &markdown(
                "---\ntitle: x\n---\n![badge](b.svg)\n<div>html</div>\n\nBefore.\n```rust\nlet x = 1;\n```\n\
                 After.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nVisit <https://example.org> now.\n\n    indented\n",
            ),
            &["Before.", "After.", "Visit now."],
        );
    }

    #[test]
    fn items_of_a_list_are_blocks() {
        check(
            &markdown("Choose:\n- one\n- two\n  - two and a half\n- [x] three\n\n1. loose\n\n2. items\n"),
            &["Choose:", "one", "two", "two and a half", "three", "loose", "items"],
        );
    }

    #[test]
    fn of_rust_only_the_doc_comments_are_text() {
        let source = "//! The crate.\n//!\n//! More of [`it`].\n\n// not this\n//// nor this\n\
                      /// Adds.\n/// ```\n/// open fence\n    fn add() {} // no\n\
                      impl X {\n    /// Indented.\n    fn x() { let s = 1; }\n}\n";
        check(&rust_docs(source), &["The crate.", "More of it.", "Adds.", "Indented."]);
        check(&rust_docs("fn main() {}\n"), &[]);
    }

    #[test]
    fn plain_text_is_cut_at_empty_lines() {
        check(&plain("One\r\ntwo.\r\n\r\n \t\nThree.\n"), &["One two.", "Three."]);
    }
}
