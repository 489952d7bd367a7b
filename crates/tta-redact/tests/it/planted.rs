//! Secrets of every provider in everything that carries text.

use tta_redact::{bounded, secrets};

/// Secrets as templates: `{w20}` stands for 20 letters and digits, `{h}` for hexadecimal digits, `{d}` for digits, `{u}` for
/// URL-safe base64, `{b}` for base64, `{A}` for capitals and digits. So none of them is in this file.
const SECRETS: &[(&str, &str)] = &[
    ("OpenAI", "sk-{w48}"),
    ("OpenAI project", "sk-proj-{u64}"),
    ("OpenAI service", "sk-svcacct-{u58}"),
    ("Anthropic", "sk-ant-api03-{u90}AA"),
    ("OpenRouter", "sk-or-v1-{h64}"),
    ("DeepSeek", "sk-{h32}"),
    ("Langfuse", "sk-lf-{h8}-{h4}-{h4}-{h4}-{h12}"),
    ("Google API", "AIza{u35}"),
    ("Google OAuth", "ya29.{u60}"),
    ("Google client", "GOCSPX-{u28}"),
    ("Groq", "gsk_{w52}"),
    ("xAI", "xai-{w80}"),
    ("Hugging Face", "hf_{w34}"),
    ("Replicate", "r8_{w37}"),
    ("Perplexity", "pplx-{w48}"),
    ("Fireworks", "fw_{w24}"),
    ("Cerebras", "csk-{w48}"),
    ("Together", "tgp_v1_{u43}"),
    ("NVIDIA", "nvapi-{u64}"),
    ("Voyage", "pa-{u43}"),
    ("Tavily", "tvly-dev-{w32}"),
    ("LangSmith", "lsv2_pt_{h32}_{h10}"),
    ("Pinecone", "pcsk_{w6}_{w60}"),
    ("Firecrawl", "fc-{h32}"),
    ("GitHub", "ghp_{w36}"),
    ("GitHub OAuth", "gho_{w36}"),
    ("GitHub server", "ghs_{w36}"),
    ("GitHub fine-grained", "github_pat_{w22}_{w59}"),
    ("GitLab", "glpat-{u20}"),
    ("GitLab runner", "glrt-{u20}"),
    ("npm", "npm_{w36}"),
    ("PyPI", "pypi-AgEIcHlwaS5vcmc{u100}"),
    ("RubyGems", "rubygems_{h48}"),
    ("crates.io", "cio{w32}"),
    ("Docker", "dckr_pat_{u27}"),
    ("Atlassian", "ATATT3xFfGF0{u60}"),
    ("Linear", "lin_api_{w40}"),
    ("Notion", "ntn_{w46}"),
    ("Figma", "figd_{u40}"),
    ("Postman", "PMAK-{h24}-{h34}"),
    ("Sentry", "sntryu_{h64}"),
    ("Grafana", "glsa_{w32}_{h8}"),
    ("Slack bot", "xoxb-{d12}-{d13}-{w24}"),
    ("Slack user", "xoxp-{d12}-{d12}-{d12}-{h32}"),
    ("Slack app", "xapp-1-{A11}-{d13}-{h64}"),
    ("Slack webhook", "https://hooks.slack.com/services/T{A8}/B{A8}/{w24}"),
    ("Discord bot", "MTA{w23}.{u6}.{u38}"),
    ("Discord webhook", "https://discord.com/api/webhooks/{d18}/{u68}"),
    ("Telegram bot", "{d10}:AA{u33}"),
    ("SendGrid", "SG.{u22}.{u43}"),
    ("Mailgun", "key-{h32}"),
    ("Mailchimp", "{h32}-us14"),
    ("Brevo", "xkeysib-{h64}-{w16}"),
    ("Resend", "re_{w8}_{w24}"),
    ("Twilio", "SK{h32}"),
    ("Stripe", "sk_live_{w24}"),
    ("Stripe restricted", "rk_live_{w24}"),
    ("Stripe webhook", "whsec_{w32}"),
    ("Square", "sq0atp-{u22}"),
    ("Shopify", "shpat_{h32}"),
    ("AWS key id", "AKIA{A16}"),
    ("AWS session id", "ASIA{A16}"),
    ("AWS Bedrock", "ABSK{b100}"),
    ("DigitalOcean", "dop_v1_{h64}"),
    ("Databricks", "dapi{h32}"),
    ("Supabase", "sbp_{h40}"),
    ("PlanetScale", "pscale_tkn_{u43}"),
    ("Pulumi", "pul-{h40}"),
    ("Fly", "fm2_{b80}"),
    ("Tailscale", "tskey-auth-{w12}-{w24}"),
    ("Doppler", "dp.pt.{w43}"),
    ("Terraform", "{w14}.atlasv1.{u60}"),
    ("Vault", "hvs.{u24}"),
    ("HubSpot", "pat-na1-{h8}-{h4}-{h4}-{h4}-{h12}"),
    ("age", "AGE-SECRET-KEY-1{A58}"),
    ("JWT", "eyJ{u20}.eyJ{u60}.{u43}"),
    ("PEM in base64", "LS0tLS1CRUdJTi{b200}"),
    ("card", "4111 1111 1111 1111"),
    ("mail", "anna.{w6}@example.org"),
];

/// Draws the same characters each time.
struct Drawn(u64);

impl Drawn {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn fill(&mut self, template: &str) -> String {
        let mut secret = String::new();
        let mut parts = template.split('{');
        secret.push_str(parts.next().unwrap());
        for part in parts {
            let (hole, rest) = part.split_once('}').unwrap();
            let characters: Vec<char> = match &hole[..1] {
                "w" => ('a'..='z').chain('A'..='Z').chain('0'..='9').collect(),
                "h" => ('0'..='9').chain('a'..='f').collect(),
                "d" => ('1'..='9').collect(),
                "u" => ('a'..='z').chain('A'..='Z').chain('0'..='9').chain("-_".chars()).collect(),
                "b" => ('a'..='z').chain('A'..='Z').chain('0'..='9').chain("+/".chars()).collect(),
                "A" => ('A'..='Z').chain('2'..='7').collect(),
                other => panic!("{other} stands for nothing"),
            };
            let count: usize = hole[1..].parse().unwrap();
            secret.extend((0..count).map(|_| characters[self.next(characters.len())]));
            secret.push_str(rest);
        }
        secret
    }
}

fn json(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// What carries a secret.
fn carriers(secret: &str) -> Vec<String> {
    let value = format!("{{\"query\":{},\"limit\":10}}", json(secret));
    let lines = format!("first line\n{secret}\nlast line");
    vec![
        secret.to_owned(),
        format!("Please use {secret} to call it, and not the old one."),
        format!("it said ({secret})."),
        json(&lines),
        json(&json(&lines)),
        format!("{{\"arguments\":{},\"id\":7}}", json(&value)),
        format!("{{\"outer\":{}}}", json(&format!("{{\"arguments\":{}}}", json(&value)))),
        format!("https://api.example.com/v1/items?page=2&key={secret}&sort=asc"),
        format!("X-Custom: {secret}\r\nHost: example.com"),
        format!("error=`{secret}` at src/main.rs:10"),
        value,
        lines,
    ]
}

#[test]
fn no_secret_survives_any_carrier() {
    assert!(SECRETS.len() >= 60);
    for seed in 0..5_u64 {
        for (at, (name, template)) in SECRETS.iter().enumerate() {
            let secret = Drawn(seed * 1_000 + at as u64 + 1).fill(template);
            for carrier in carriers(&secret) {
                check(name, &secret, &carrier);
            }
        }
    }
}

/// Neither the secret may be left, nor half of it.
fn check(name: &str, secret: &str, carrier: &str) {
    let shown = secrets(carrier);
    assert!(!shown.contains(secret), "{name}: {shown}");
    let tail = &secret[secret.len() - secret.len() / 3..];
    assert!(tail.len() < 5 || !shown.contains(tail), "{name}, {tail}: {shown}");
    assert!(shown.contains("[redacted]"), "{name}: {shown}");
    assert_eq!(secrets(&shown), shown, "{name}: twice is once");
    let cut = bounded(carrier, carrier.len() / 2);
    assert!(cut.len() <= carrier.len() / 2 && !cut.contains(tail), "{name}: {cut}");
    // What stands around it stays, but for what may belong to it.
    let lost = carrier.len().saturating_sub(secret.len()) as f64 - shown.len().saturating_sub(10) as f64;
    assert!(lost <= 24.0, "{name} took {lost} more: {carrier} -> {shown}");
}
