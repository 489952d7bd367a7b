//! Where answers come from.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use http::Uri;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tta::server::Reader;
use tta::server::api::ApiState;

/// The server that is asked if nothing else is said: one that runs here.
const DEFAULT_URL: &str = "http://127.0.0.1:16686";

/// What is asked: a server, or a folder.
#[derive(Debug, Args)]
pub(super) struct Source {
    #[command(flatten)]
    server: Server,
    /// Read this folder of a server instead, whether or not the server runs.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "token_env"])]
    data: Option<PathBuf>,
}

/// A server that runs.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// Ask the server at this address [default: http://127.0.0.1:16686].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Show the server the bearer token that is in this environment variable.
    #[arg(long, value_name = "VAR")]
    token_env: Option<String>,
}

impl Server {
    /// Its address, without a slash at the end.
    pub(super) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or(DEFAULT_URL).trim_end_matches('/')
    }

    /// A question to it.
    pub(super) fn request(&self, client: &Client, address: &str) -> Result<RequestBuilder, Box<dyn Error>> {
        let request = client.get(format!("{}{address}", self.url()));
        let Some(variable) = &self.token_env else { return Ok(request) };
        let token = std::env::var(variable)
            .map_err(|_| format!("the environment variable {variable} has no token"))?;
        Ok(request.bearer_auth(token))
    }

    /// What is said when it does not answer, without what else could be asked.
    pub(super) fn unreachable(&self, error: &reqwest::Error) -> String {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        format!("cannot ask {}: {cause}; start `tta serve`, or name a server with --url", self.url())
    }
}

impl Source {
    /// Asks one question, and answers with what is an answer.
    pub(super) fn get(&self, path: &str, parameters: &[(&str, String)]) -> Result<Value, Box<dyn Error>> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let address = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (status, body) = match &self.data {
            Some(folder) => {
                let state = ApiState::new(Reader::open(folder)?);
                let address: Uri = address.parse()?;
                let (status, body) = runtime.block_on(state.ask(&address));
                (status, body.to_vec())
            }
            None => runtime.block_on(self.fetch(&address))?,
        };
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        match answer {
            Some(answer) if status == 200 => Ok(answer),
            answer => Err(refusal(status, &answer.unwrap_or_default()).into()),
        }
    }

    async fn fetch(&self, address: &str) -> Result<(u16, Vec<u8>), Box<dyn Error>> {
        let request = self.server.request(&Client::new(), address)?;
        let failed =
            |error: reqwest::Error| format!("{} or a folder with --data", self.server.unreachable(&error));
        let response = request.send().await.map_err(failed)?;
        Ok((response.status().as_u16(), response.bytes().await.map_err(failed)?.to_vec()))
    }
}

/// What the server says is wrong, and what it says to do.
pub(super) fn refusal(status: u16, answer: &Value) -> String {
    let error = &answer["error"];
    match (error["message"].as_str(), error["hint"].as_str()) {
        (Some(message), Some(hint)) if !hint.is_empty() => format!("{message}; {hint}"),
        (Some(message), _) => message.to_owned(),
        _ => format!("the answer has status {status} and is not of a server of TTA; look at the address"),
    }
}
