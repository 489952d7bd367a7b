//! Single cases, each with what is left of it.

use tta_redact::{bounded, field, secrets};

fn check(text: &str, expect: &str) {
    assert_eq!(secrets(text), expect, "{text}");
}

#[test]
fn secrets_are_replaced_and_the_rest_stays() {
    check("connection refused by 10.0.0.1:443", "connection refused by 10.0.0.1:443");
    check("Authorization: Bearer abcdef0123456789", "Authorization: Bearer [redacted]");
    check("key sk-abcdefghijklmnop1234 is bad", "key [redacted] is bad");
    check("GET /v1?api_key=hunter22&x=1", "GET /v1?api_key=[redacted]&x=1");
    check("redis://user:hunter2@host/0", "redis://user:[redacted]@host/0");
    check("redis://:hunter2@host/0", "redis://:[redacted]@host/0");
    check("postgres://user:hun@ter2@host/0", "postgres://user:[redacted]@host/0");
    check(r"redis:\/\/user:hunter2@host\/0", r"redis:\/\/user:[redacted]@host\/0");
    check("?to=redis%3A%2F%2Fuser%3Ahunter2%40host", "?to=redis%3A%2F%2Fuser%3A[redacted]%40host");
    check("jwt eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl!", "jwt [redacted]!");
    check("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----.", "[redacted].");
    check("-----BEGIN RSA PRIVATE KEY-----\\nMIIEow", "[redacted]");
    check("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [redacted]");
    check("mail anna.lind+news@example.com today", "mail [redacted] today");
    check("to=anna%40example.com&x=1", "to=[redacted]&x=1");
    check(r"a\nsk-abcdefghijklmnop1234", r"a\n[redacted]");
    check("a%20sk-abcdefghijklmnop1234", "a%20[redacted]");
}

#[test]
fn the_name_of_a_secret_may_have_words_around_it() {
    check("DB_PASSWORD=hunter22 is wrong", "DB_PASSWORD=[redacted] is wrong");
    check("client_secret=a1b2c3d4&x=1", "client_secret=[redacted]&x=1");
    check("refresh_token: 0a1b2c3d", "refresh_token: [redacted]");
    check("aws_secret_access_key = wJalrXUt", "aws_secret_access_key = [redacted]");
    check(r#"{"userPassword":"open sesame", "n": 1}"#, r#"{"userPassword":"[redacted]", "n": 1}"#);
    check("pwd='let me in' failed", "pwd='[redacted]' failed");
    check("AccountName=x;AccountKey=a1b2c3d4==;Suffix=y", "AccountName=x;AccountKey=[redacted];Suffix=y");
    check("secret_key_base: 0a1b2c3d4e", "secret_key_base: [redacted]");
}

#[test]
fn values_are_found_however_they_follow_their_names() {
    check(r#"{\"password\":\"hunter22\",\"n\":1}"#, r#"{\"password\":\"[redacted]\",\"n\":1}"#);
    check(r#"{\\\"password\\\": \\\"hunter22\\\"}"#, r#"{\\\"password\\\": \\\"[redacted]\\\"}"#);
    check(r#"{"password":"hun\"ter22","n":1}"#, r#"{"password":"[redacted]","n":1}"#);
    check(r#"{"password":"hunter22\\","n":1}"#, r#"{"password":"[redacted]","n":1}"#);
    check("login --password hunter22 --host db", "login --password [redacted] --host db");
    check(r#"password: Some("hunter22")"#, r#"password: Some("[redacted]")"#);
    check(r#""passwords", "password": ["hunter22"]"#, r#""passwords", "password": ["[redacted]"]"#);
    check(r#"("x-api-key", "a1b2c3d4")"#, r#"("x-api-key", "[redacted]")"#);
    check(r#"{"name":"password","value":"hunter22"}"#, r#"{"name":"password","value":"[redacted]"}"#);
    check("<password>hunter22</password>", "<password>[redacted]</password>");
    check("export DB_PASSWORD=hun;ter&22,\nnext=1", "export DB_PASSWORD=[redacted]\nnext=1");
    check("db:\n  password: |\n    hunter22\n  port: 1", "db:\n  password: |\n    [redacted]\n  port: 1");
    check("%22password%22%3A%22hunter22%22", "%22password%22%3A[redacted]");
    check("my password is hunter22, ok", "my password is [redacted], ok");
    check(r"password=hunter22\nuser=anna", r"password=[redacted]\nuser=anna");
    check("Cookie: sid=a1b2; lang=en\nHost: x", "Cookie: [redacted]\nHost: x");
    check("Authorization: ApiKey a1b2c3d4", "Authorization: ApiKey [redacted]");
    check(r#"-H "Authorization: Bearer a1b2c3d4e5" -v"#, r#"-H "Authorization: Bearer [redacted]" -v"#);
    check(r#"{"authorization":"a1b2c3d4"}"#, r#"{"authorization":"[redacted]"}"#);
}

#[test]
fn the_name_of_a_field_may_say_that_it_is_a_secret() {
    let check = |name: &str, text: &str, expect: &str| assert_eq!(field(name, text, 100), expect, "{name}");
    check("password", "hunter2", "[redacted]");
    check("db.password", "open sesame, and more", "[redacted]");
    check("api_key", "\"x\"", "[redacted]");
    check("session_token", "0a1b2c3d", "[redacted]");
    check("http.request.header.authorization", "open", "[redacted]");
    check("token", "semicolon", "semicolon");
    check("prompt_tokens", "12345678", "12345678");
    check("message_id", "0a1b2c3d", "0a1b2c3d");
    check("secretary", "Anna", "Anna");
    check("password", "", "");
}

#[test]
fn words_that_only_look_like_secrets_stay() {
    let benign = [
        "basic authentication is not supported",
        "Basic Authentication failed",
        "see the basic documentation",
        "the bearer certificate has expired",
        "unexpected token: identifier",
        "syntax error near token: `semicolon`",
        "prompt_tokens: 4096, completion_tokens: 512",
        "the token: expired yesterday",
        "sk-learn-compatible-estimator is not installed",
        "tokenizer=sentencepiece",
        "https://example.com:8080/a@b",
        "fn login(password: &str, secret: Option<String>)",
        "password = std::env::var(",
        "the password is incorrect",
        "Secret::new(value), token::Kind, password == other",
        "git@github.com:owner/repository.git and lodash@4.17.21",
        "@app.route and user@localhost",
        "password: ${DB_PASSWORD}, token: ****",
        "authorization: required",
        r#"{"has_password": true, "password": null}"#,
        "task-force-of-seventeen-people_and_more",
    ];
    benign.into_iter().for_each(|text| assert_eq!(secrets(text), text));
}

#[test]
fn numbers_of_cards_are_told_from_other_numbers() {
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "30569309025904",
        "3530111333300000",
        "6212345678901232",
        "4222222222222",
    ] {
        check(&format!("card {card}, 12/27"), "card [redacted], 12/27");
        check(&format!("{{\"card\":{card}}}"), "{\"card\":[redacted]}");
    }
    for number in [
        "4111111111111112",
        "1763654400000",
        "1763654400000000000",
        "order 9111111111111111",
        "a4111111111111111",
        "0.4111111111111111",
        "41111111111111111111111",
        "+46 70 123 45 67 89 01 23",
        "4111-1111-1111-1111-1111-1111a",
    ] {
        check(number, number);
    }
}

#[test]
fn a_cut_shows_no_half_of_a_secret() {
    for before in (0..4_000).step_by(7).chain(950..1_050) {
        let text = format!("{} redis://user:hunter2hunter2@host/0{}", "x".repeat(before), "y".repeat(9_000));
        let shown = bounded(&text, 1_000);
        assert!(shown.len() <= 1_000 && !shown.contains("hunter"), "{before}: {shown}");
    }
    assert_eq!(bounded("grüße", 3), "gr");
    assert_eq!(bounded("grüße", 4), "grü");
}

#[test]
fn a_text_that_looks_like_many_secrets_takes_no_long() {
    // Every one would take minutes if each beginning were followed to the end of the text.
    for part in ["-eyJ", "token:", "bearer ", "-----BEGIN ", "a://", "x@", "password=\\\"", "4 ", "sk-", ".a"]
    {
        let text = part.repeat(100_000 / part.len());
        assert!(!secrets(&text).is_empty(), "{part}");
    }
}

#[test]
fn colours_of_a_terminal_hide_no_secret() {
    for escape in
        ["\u{1b}[31m", "\u{1b}[1;38:5:208m", "\u{1b}[m", r"\u001b[31m", r"\x1b[0;1m", r"\033[1m", r"\e[0m"]
    {
        check(&format!("{escape}sk-abcdefghijklmnop1234\u{1b}[0m"), &format!("{escape}[redacted]\u{1b}[0m"));
        check(&format!("{escape}4111111111111111\u{1b}[0m"), &format!("{escape}[redacted]\u{1b}[0m"));
    }
    check("form[12msk-abcdefghijklmnop1234", "form[12msk-abcdefghijklmnop1234");
}

#[test]
fn the_value_of_a_name_may_lie_in_an_object() {
    check(r#"{"password":{"value":"hunter22"},"n":1}"#, r#"{"password":{"value":"[redacted]"},"n":1}"#);
    check(r#"{"api_key": {"of": {"text": "a1b2c3d4"}}}"#, r#"{"api_key": {"of": {"text": "[redacted]"}}}"#);
    check(r#"{\"password\":{\"value\":\"hunter22\"}}"#, r#"{\"password\":{\"value\":\"[redacted]\"}}"#);
    let deep = format!("{{\"password\":{}", "{\"a\":".repeat(100_000));
    assert!(secrets(&deep).starts_with("{\"password\":"));
}

#[test]
fn names_without_an_end_are_passed_over_once() {
    // Names and nothing else: the time that this takes must not grow with the square of their number.
    let names = "secret_key".repeat(100_000);
    assert_eq!(secrets(&names), names);
}

#[test]
fn what_closes_behind_a_number_stays() {
    check(r#"[{"password":12345678}]"#, r#"[{"password":[redacted]}]"#);
    check(r#"{"of":["password",5]}]},"#, r#"{"of":["password",5]}]},"#);
    check("password=1234}x", "password=[redacted]");
    let asked = r#"[{"content":"What is my password:"}],"role":"user"},{"role":"tool"}]"#;
    check(asked, asked);
    let open = r#"[{"content":"password='[redacted]"}],"role":"user"}]"#;
    check(open, open);
}
