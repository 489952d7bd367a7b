//! Texts without secrets stay.

use std::fs;
use std::path::Path;

use tta_redact::secrets;

/// How many characters of a hundred may be taken for secrets.
const MOST: f64 = 1.0;

#[test]
fn benign_texts_keep_their_characters() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/benign");
    let mut count = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        count += text.len();
        let shown = secrets(&text);
        let lost: usize = text.lines().zip(shown.lines()).map(|(line, shown)| lost(line, shown)).sum();
        assert_eq!(text.lines().count(), shown.lines().count(), "{}", path.display());
        let share = lost as f64 * 100.0 / text.chars().count() as f64;
        let changed: Vec<&str> =
            text.lines().zip(shown.lines()).filter(|(a, b)| a != b).map(|(_, shown)| shown).collect();
        assert!(share <= MOST, "{} loses {share:.2} %: {changed:#?}", path.display());
    }
    assert!(count > 20_000, "{count} bytes prove little");
}

/// How many characters of a line are not in what is shown of it, where secrets were replaced.
fn lost(line: &str, shown: &str) -> usize {
    if line == shown {
        return 0;
    }
    let kept: usize = shown.split("[redacted]").map(|part| part.chars().count()).sum();
    line.chars().count().saturating_sub(kept)
}

#[test]
fn the_names_and_ids_of_telemetry_stay_as_they_are() {
    let benign = [
        "gpt-4o-2024-08-06",
        "claude-sonnet-4-20250514",
        "meta-llama/Llama-3.3-70B-Instruct",
        "text-embedding-3-large",
        "gemini-2.5-pro-preview-06-05",
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "550e8400-e29b-41d4-a716-446655440000",
        "0af7651916cd43dd8448eb211c80319c",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "ORD-2026-000123456789",
        "order 4532015112830367 was shipped",
        "2026-11-20T16:05:39.123456789Z",
        "1763654739123",
        "1763654739123456789",
        "+46 8 123 456 78, (555) 010-9999, +1-202-555-0143",
        "v1.2.3-rc.4+build.5, 10.0.26100.2314",
        "chatcmpl-9a1B2c3D4e5F6g7H8i9J0k1L2m3N4",
        "call_a1B2c3D4e5F6g7H8i9J0k1L2",
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "req_011CSHoEeqs5C35K2UUqR7Fy",
        "http://127.0.0.1:4318/v1/traces?timeout=10&compression=gzip",
        "postgres://localhost:5432/app?sslmode=require",
        "s3://bucket/2026/11/20/part-00001-a1b2c3d4.parquet",
        "ghcr.io/owner/image@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "workflow.support-agent.execute",
        "flow/retry/ask-model",
        "arn:aws:iam::123456789012:role/reader",
        "application/json; charset=utf-8",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    ];
    benign.into_iter().for_each(|text| assert_eq!(secrets(text), text));
}
