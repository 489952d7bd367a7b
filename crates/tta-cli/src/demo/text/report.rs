//! What the demo says about one document.

use serde::{Deserialize, Serialize};

use super::{Keyword, Statistics, Summary};

/// The results of the three branches, side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The sentences that say most.
    pub(crate) summary: Summary,
    /// The terms it is about, the heaviest first.
    pub(crate) keywords: Vec<Keyword>,
    /// Its numbers.
    pub(crate) statistics: Statistics,
}

/// Joins the results of the branches.
pub(crate) fn aggregate(summary: Summary, keywords: Vec<Keyword>, statistics: Statistics) -> Report {
    Report { summary, keywords, statistics }
}

#[cfg(test)]
mod tests {
    use crate::demo::document::tests::document;
    use crate::demo::text::{Report, Summary, aggregate, keywords, statistics};

    #[test]
    fn a_report_reads_like_this() {
        let page = document("a.md", "Retries repeat calls.");
        let sentences = vec!["Retries repeat calls.".to_owned()];
        let summary = Summary { model: "local/textrank".to_owned(), sentences };
        let report: Report = aggregate(summary, keywords(&page, 1), statistics(&page));
        assert_eq!(
            serde_json::to_string_pretty(&report).expect("serialisable"),
            r#"{
  "summary": {
    "model": "local/textrank",
    "sentences": [
      "Retries repeat calls."
    ]
  },
  "keywords": [
    {
      "term": "retries repeat calls",
      "score": 2.0
    }
  ],
  "statistics": {
    "bytes": 21,
    "characters": 21,
    "words": 3,
    "sentences": 1,
    "paragraphs": 1,
    "words_per_sentence": 3.0,
    "unique_words_ratio": 1.0,
    "reading_seconds": 0.7563025210084033,
    "flesch_reading_ease": 62.79000000000002
  }
}"#
        );
    }
}
