//! Secrets without a shape, which only their names give away.

use tta_redact::secrets;

const NAMES: [&str; 30] = [
    "password",
    "Password",
    "DB_PASSWORD",
    "db.password",
    "userPassword",
    "user_passwd",
    "pwd",
    "passphrase",
    "secret",
    "client_secret",
    "clientSecret",
    "SECRET_KEY",
    "aws_secret_access_key",
    "SecretAccessKey",
    "apiKey",
    "api_key",
    "API-KEY",
    "x-api-key",
    "OPENAI_API_KEY",
    "access_key",
    "privateKey",
    "AccountKey",
    "SharedAccessKey",
    "token",
    "access_token",
    "refreshToken",
    "X-Auth-Token",
    "credentials",
    "Ocp-Apim-Subscription-Key",
    "encryption_key",
];

/// How settings are written, with `N` for the name and `V` for the value.
const FORMS: [&str; 17] = [
    "N=V",
    "N = V",
    "N: V",
    "N: 'V'",
    "\"N\": \"V\"",
    "{\"a\":1,\"N\":\"V\",\"b\":2}",
    "{\"a\":1,\n  \"N\":\n    \"V\"}",
    r#""{\"a\":1,\"N\":\"V\"}""#,
    r#""\"{\\\"N\\\":\\\"V\\\"}\"""#,
    "https://example.com/?a=1&N=V&b=2",
    "https://example.com/?a=1%26N%3DV",
    "first\nN=V\nlast",
    "first\n  N: V\nlast",
    r"first\nN=V\nlast",
    "('N', 'V')",
    "N => \"V\"",
    "Settings { N: \"V\", b: 2 }",
];

#[test]
fn what_a_name_says_is_a_secret_goes_in_every_form() {
    for name in NAMES {
        for form in FORMS {
            for value in ["hunter22", "Tr0ub4dor-and-3", "9f8e7d6c5b4a"] {
                let text = form.replace('N', name).replace('V', value);
                let shown = secrets(&text);
                assert!(!shown.contains(value) && shown.contains("[redacted]"), "{text} -> {shown}");
                assert_eq!(secrets(&shown), shown);
            }
        }
    }
}
