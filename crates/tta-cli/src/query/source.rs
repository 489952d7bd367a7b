//! Where answers come from.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use http::Uri;
use reqwest::{Client, ClientBuilder, RequestBuilder};
use serde_json::Value;
use tta::server::Reader;
use tta::server::api::ApiState;

use crate::address;
use crate::export::wanted::check_store;
use crate::render::prices::name;

/// The server that is asked if nothing else is said: one that runs here.
const DEFAULT_URL: &str = "http://127.0.0.1:16686";
/// How many characters are shown of an answer that is no JSON.
const MOST_SAID: usize = 200;

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

    /// What asks it.
    pub(super) fn client(&self) -> Result<ClientBuilder, String> {
        Ok(address::client(&address::parse(self.url(), DEFAULT_URL)?))
    }

    /// A question to it.
    pub(super) fn request(&self, client: &Client, address: &str) -> Result<RequestBuilder, String> {
        let request = client.get(format!("{}{address}", self.url()));
        let Some(variable) = &self.token_env else { return Ok(request) };
        Ok(request.bearer_auth(address::token(variable)?))
    }

    /// What is said when it does not answer, without what else could be asked.
    pub(super) fn unreachable(&self, error: &reqwest::Error) -> String {
        let cause = address::cause(error);
        format!("cannot ask {}: {cause}; start `tta serve`, or name a server with --url", self.url())
    }

    /// What the server says is wrong, and what it says to do.
    pub(super) fn refusal(&self, status: u16, body: &[u8]) -> String {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = &answer["error"];
        match (error["message"].as_str(), error["hint"].as_str()) {
            (Some(message), Some(hint)) if !hint.is_empty() => format!("{message}; {hint}"),
            (Some(message), _) => message.to_owned(),
            _ if matches!(status, 401 | 403) => self.no_entry(status, body),
            _ => format!("the answer has status {status} and is not of a server of TTA; look at the address"),
        }
    }

    fn no_entry(&self, status: u16, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let line = text.lines().next().unwrap_or_default().trim();
        let said = match line {
            // A page is for browsers.
            "" => format!("status {status}"),
            page if page.starts_with('<') => format!("status {status}"),
            line => name(&line.chars().take(MOST_SAID).collect::<String>()).into_owned(),
        };
        let url = self.url();
        format!("{url} does not let us in: {said}; name the variable that holds its token with --token-env")
    }
}

impl Source {
    /// Asks one question, and answers with what is an answer: an object that has the `member`.
    pub(super) fn get(
        &self,
        path: &str,
        parameters: &[(&str, String)],
        member: &str,
    ) -> Result<Value, Box<dyn Error>> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let address = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (status, body) = match &self.data {
            Some(folder) => {
                check_store(folder)?;
                let state = ApiState::new(Reader::open(folder)?);
                let address: Uri = address.parse()?;
                let (status, body) = runtime.block_on(state.ask(&address));
                (status, body.to_vec())
            }
            None => runtime.block_on(self.fetch(&address))?,
        };
        match serde_json::from_slice::<Value>(&body) {
            Ok(answer) if status == 200 && answer.get(member).is_some() => Ok(answer),
            _ => Err(self.server.refusal(status, &body).into()),
        }
    }

    async fn fetch(&self, address: &str) -> Result<(u16, Vec<u8>), Box<dyn Error>> {
        let request = self.server.request(&self.server.client()?.build()?, address)?;
        let failed =
            |error: reqwest::Error| format!("{} or a folder with --data", self.server.unreachable(&error));
        let response = request.send().await.map_err(failed)?;
        Ok((response.status().as_u16(), response.bytes().await.map_err(failed)?.to_vec()))
    }
}
