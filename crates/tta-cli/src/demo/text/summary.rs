//! What a model is asked about a document, and what is read from its answer.

use serde::{Deserialize, Serialize};
use tta::llm::local::text;
use tta::llm::{ChatRequest, ChatResponse};

use crate::demo::document::Document;

/// What the model is told.
const INSTRUCTION: &str = "Summarise the document in at most three sentences, as plain text.";
/// How long a summary may be.
const MAX_TOKENS: u32 = 400;

/// What a model says of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Which model; empty if none was asked.
    pub(crate) model: String,
    /// What it said, sentence by sentence.
    pub(crate) sentences: Vec<String>,
}

/// Asks for a summary. None for a document without paragraphs, such as one that is all code.
pub(crate) fn prompt(document: &Document) -> Option<ChatRequest> {
    let paragraphs: Vec<&str> = document.paragraphs().collect();
    let request = || ChatRequest::user(paragraphs.join("\n\n")).system(INSTRUCTION).max_tokens(MAX_TOKENS);
    (!paragraphs.is_empty()).then(request)
}

/// Reads the summary.
pub(crate) fn read(response: &ChatResponse) -> Summary {
    let sentences = text::sentences(&response.text).into_iter().map(str::to_owned).collect();
    Summary { model: format!("{}/{}", response.provider, response.model), sentences }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::document::tests::document;

    #[test]
    fn only_paragraphs_and_items_are_asked_about() {
        let check = |source: &str, expect: Option<&str>| {
            let request = prompt(&document("a.md", source));
            assert_eq!(request.map(|request| request.messages[0].text.clone()).as_deref(), expect);
        };
        check("# A title\n", None);
        check("```\nlet only = code;\n```\n", None);
        check("# Calls\n\n- call id one\n\nA whole sentence.", Some("call id one\n\nA whole sentence."));
    }
}
