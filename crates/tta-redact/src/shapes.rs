//! The shapes of keys and tokens, by who gives them out.
//!
//! Where a provider says how long its keys are, a shape asks for somewhat less, so that it outlives the next change.

/// The shape of one kind of secret.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Whose it is.
    #[cfg_attr(not(test), expect(dead_code, reason = "for those who read the table"))]
    pub(crate) name: &'static str,
    /// What is looked for, whatever its case.
    pub(crate) marks: &'static [&'static str],
    /// What stands before the mark, if anything does: its characters, and how many there are.
    pub(crate) before: Option<Before>,
    /// The whole from the mark on. Case matters.
    pub(crate) pattern: &'static str,
    pub(crate) check: Check,
}

/// What stands before the mark of a shape.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) is_part: fn(u8) -> bool,
    pub(crate) least: usize,
    pub(crate) most: usize,
}

/// What else makes sure that a text is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The mark is rare enough.
    None,
    /// It does not look like words.
    Drawn,
    /// It has an exact length, so nothing that could belong to it follows.
    Ends,
}

const fn shape(
    name: &'static str,
    marks: &'static [&'static str],
    pattern: &'static str,
    check: Check,
) -> Shape {
    Shape { name, marks, before: None, pattern, check }
}

const fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

const fn is_base62(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

use Check::{Drawn, Ends, None as Sure};

/// All shapes.
pub(crate) const SHAPES: &[Shape] = &[
    // Models.
    shape(
        "OpenAI, Anthropic, OpenRouter, DeepSeek, Stripe, Langfuse",
        &["sk-", "sk_", "pk-", "pk_", "rk-", "rk_"],
        "[spr]k[-_][A-Za-z0-9_-]{16,}",
        Drawn,
    ),
    shape("Google API", &["AIza"], "AIza[A-Za-z0-9_-]{30,}", Sure),
    shape("Google OAuth", &["ya29."], r"ya29\.[A-Za-z0-9_-]{20,}", Sure),
    shape("Google OAuth client", &["GOCSPX-"], "GOCSPX-[A-Za-z0-9_-]{20,}", Sure),
    shape("Google OAuth refresh", &["1//0"], "1//0[A-Za-z0-9_-]{40,}", Sure),
    shape("Groq", &["gsk_"], "gsk_[A-Za-z0-9]{20,}", Drawn),
    shape("xAI", &["xai-"], "xai-[A-Za-z0-9_-]{20,}", Drawn),
    shape("Hugging Face", &["hf_", "api_org_"], "(?:hf|api_org)_[A-Za-z0-9]{20,}", Drawn),
    shape("Replicate", &["r8_"], "r8_[A-Za-z0-9]{20,}", Drawn),
    shape("Perplexity", &["pplx-"], "pplx-[A-Za-z0-9]{20,}", Drawn),
    shape("Fireworks", &["fw_"], "fw_[A-Za-z0-9]{20,}", Drawn),
    shape("Cerebras", &["csk-"], "csk-[A-Za-z0-9]{20,}", Drawn),
    shape("Together", &["tgp_v1_"], "tgp_v1_[A-Za-z0-9_-]{20,}", Sure),
    shape("NVIDIA", &["nvapi-"], "nvapi-[A-Za-z0-9_-]{20,}", Drawn),
    shape("Voyage", &["pa-"], "pa-[A-Za-z0-9_-]{40,}", Drawn),
    shape("Tavily", &["tvly-"], "tvly-[A-Za-z0-9_-]{16,}", Drawn),
    shape("Jina", &["jina_"], "jina_[A-Za-z0-9_-]{20,}", Drawn),
    shape("Firecrawl", &["fc-"], "fc-[0-9a-f]{32}", Ends),
    shape("LangSmith", &["lsv2_"], "lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,}", Sure),
    shape("Pinecone", &["pcsk_"], "pcsk_[A-Za-z0-9_]{20,}", Drawn),
    // Code and packages.
    shape("GitHub", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], "gh[pousr]_[A-Za-z0-9]{20,}", Sure),
    shape("GitHub, fine-grained", &["github_pat_"], "github_pat_[A-Za-z0-9_]{20,}", Sure),
    shape(
        "GitLab",
        &["glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-", "glft-", "glimt-", "glagent-", "gloas-"],
        "gl(?:pat|dt|rt|ptt|cbt|soat|ft|imt|agent|oas)-[A-Za-z0-9_.-]{16,}",
        Sure,
    ),
    shape("npm", &["npm_"], "npm_[A-Za-z0-9]{30,}", Sure),
    shape("PyPI", &["pypi-"], "pypi-[A-Za-z0-9_-]{32,}", Drawn),
    shape("RubyGems", &["rubygems_"], "rubygems_[0-9a-f]{40,}", Sure),
    shape("crates.io", &["cio"], "cio[A-Za-z0-9]{32}", Ends),
    shape("Docker", &["dckr_"], "dckr_(?:pat|oat)_[A-Za-z0-9_-]{16,}", Sure),
    shape("Atlassian", &["ATATT3", "ATCTT3", "ATBB"], "AT(?:ATT3|CTT3|BB)[A-Za-z0-9_=-]{20,}", Sure),
    shape("Linear", &["lin_api_", "lin_oauth_"], "lin_(?:api|oauth)_[A-Za-z0-9]{20,}", Sure),
    shape("Notion", &["ntn_", "secret_"], "(?:ntn|secret)_[A-Za-z0-9]{40,}", Drawn),
    shape("Figma", &["figd_"], "figd_[A-Za-z0-9_-]{20,}", Sure),
    shape("Postman", &["PMAK-"], "PMAK-[A-Za-z0-9-]{20,}", Sure),
    shape("Sentry", &["sntrys_", "sntryu_"], "sntry[su]_[A-Za-z0-9_=+/-]{20,}", Sure),
    shape("Grafana", &["glsa_", "glc_"], "gl(?:sa|c)_[A-Za-z0-9_=+/]{20,}", Drawn),
    shape("New Relic", &["NRAK-"], "NRAK-[A-Z0-9]{20,}", Sure),
    shape("PostHog", &["phx_"], "phx_[A-Za-z0-9_]{20,}", Drawn),
    // Messages and mail.
    shape(
        "Slack",
        &["xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-"],
        r"(?:xox[a-z]|xapp)[-.][A-Za-z0-9.%-]{10,}",
        Sure,
    ),
    shape(
        "Slack webhook",
        &["hooks.slack.com/"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{16,}",
        Sure,
    ),
    shape(
        "Discord webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        r"discord(?:app)?\.com/api/webhooks/[0-9]{15,20}/[A-Za-z0-9_-]{20,}",
        Sure,
    ),
    Shape {
        name: "Discord bot",
        // Its two dots, seven characters apart.
        marks: &[],
        before: Some(Before { is_part: is_base64, least: 23, most: 30 }),
        pattern: r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",
        check: Drawn,
    },
    Shape {
        name: "Telegram bot",
        marks: &[":AA"],
        before: Some(Before { is_part: is_digit, least: 8, most: 11 }),
        pattern: ":AA[A-Za-z0-9_-]{30,}",
        check: Sure,
    },
    shape("SendGrid", &["SG."], r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}", Sure),
    shape("Mailgun", &["key-"], "key-[0-9a-f]{32}", Ends),
    Shape {
        name: "Mailchimp",
        marks: &["-us"],
        before: Some(Before { is_part: is_hex, least: 32, most: 32 }),
        pattern: "-us[0-9]{1,2}",
        check: Ends,
    },
    shape("Brevo", &["xkeysib-", "xsmtpsib-"], "x(?:key|smtp)sib-[A-Za-z0-9-]{20,}", Sure),
    shape("Resend", &["re_"], "re_[A-Za-z0-9]{6,}_[A-Za-z0-9]{20,}", Drawn),
    shape("Twilio", &["SK"], "SK[0-9a-fA-F]{32}", Ends),
    // Payment.
    shape("Stripe webhook", &["whsec_"], "whsec_[A-Za-z0-9+/=]{16,}", Sure),
    shape(
        "Square",
        &["sq0atp-", "sq0csp-", "sq0idp-", "EAAA"],
        "(?:sq0[a-z]{3}-[A-Za-z0-9_-]{20,}|EAAA[A-Za-z0-9_-]{56,})",
        Sure,
    ),
    shape("Shopify", &["shpat_", "shpca_", "shppa_", "shpss_"], "shp(?:at|ca|pa|ss)_[A-Za-z0-9]{20,}", Sure),
    // Clouds.
    shape("AWS key id", &["AKIA", "ASIA", "ABIA", "ACCA"], "A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}", Ends),
    shape("AWS Bedrock", &["ABSK", "bedrock-api-key-"], "(?:ABSK|bedrock-api-key-)[A-Za-z0-9+/=]{40,}", Sure),
    shape("DigitalOcean", &["dop_v1_", "doo_v1_", "dor_v1_"], "do[opr]_v1_[A-Za-z0-9]{20,}", Sure),
    shape("Databricks", &["dapi"], "dapi[0-9a-f]{32}(?:-[0-9]+)?", Ends),
    shape("Supabase", &["sbp_", "sb_secret_"], "(?:sbp|sb_secret)_[A-Za-z0-9_]{20,}", Drawn),
    shape("PlanetScale", &["pscale_"], r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{20,}", Sure),
    shape("Pulumi", &["pul-"], "pul-[0-9a-f]{40}", Ends),
    shape("Fly", &["fm1_", "fm2_", "fo1_"], "f(?:m1|m2|o1)_[A-Za-z0-9+/=_-]{20,}", Drawn),
    shape("Render", &["rnd_"], "rnd_[A-Za-z0-9]{20,}", Drawn),
    shape("Heroku", &["HRKU-"], "HRKU-[A-Za-z0-9_-]{20,}", Sure),
    shape("Tailscale", &["tskey-"], "tskey-[A-Za-z0-9-]{16,}", Drawn),
    shape(
        "Doppler",
        &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa."],
        r"dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9_.-]{20,}",
        Sure,
    ),
    Shape {
        name: "Terraform",
        marks: &[".atlasv1."],
        before: Some(Before { is_part: is_base62, least: 10, most: 20 }),
        pattern: r"\.atlasv1\.[A-Za-z0-9_=-]{40,}",
        check: Sure,
    },
    shape("Vault", &["hvs.", "hvb.", "hvr."], r"hv[sbr]\.[A-Za-z0-9_-]{16,}", Sure),
    shape("1Password", &["ops_eyJ"], "ops_eyJ[A-Za-z0-9_=+/-]{40,}", Sure),
    shape("HubSpot", &["pat-na", "pat-eu"], "pat-(?:na|eu)[0-9]-[0-9a-fA-F-]{32,}", Sure),
    shape("Facebook", &["EAA"], "EAA[A-Za-z0-9]{80,}", Sure),
    // Formats.
    shape("age", &["AGE-SECRET-KEY-"], "AGE-SECRET-KEY-[A-Z0-9-]{20,}", Sure),
    shape(
        "JSON web token",
        &["eyJ"],
        r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,4}",
        Sure,
    ),
    shape("PEM in base64", &["LS0tLS1CRUdJTi"], "LS0tLS1CRUdJTi[A-Za-z0-9+/=_-]{16,}", Sure),
];
