//! A server is opened by its URL, and what opens it is never shown.

use std::fs;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tta_primitives::{CacheKey, CacheStore, Entry, ErrorKind, Result};
use tta_redis::Redis;

use crate::server::Server;

async fn look(redis: &Redis) -> Result<Option<Entry<u64>>> {
    redis.store("answers").get(&CacheKey::new("7")).await
}

#[test]
fn a_url_that_is_none_is_refused_without_being_shown() {
    for url in [
        "",
        "hunter2",
        "http://:hunter2@localhost/",
        "redis://:hunter2@localhost:port/",
        "redis://u:hunter2@localhost/x",
    ] {
        let error = Redis::open(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("redis://user"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let error = Redis::open_with_authority("redis://localhost/", "no certificate").unwrap_err();
    assert!(error.message().contains("rediss://"), "{error}");
    let error = Redis::open_with_authority("rediss://localhost/", "no certificate").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn a_server_is_opened_outside_a_runtime_and_shown_without_its_password() {
    let redis = Redis::open("redis://ada:hunter2@127.0.0.1:1/3").unwrap();
    let shown = format!("{redis:?} {:?}", redis.store("answers"));
    assert!(shown.contains("127.0.0.1:1") && shown.contains("answers"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("ada"), "{shown}");
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Redis>();
    shared::<tta_redis::RedisStore>();
}

#[tokio::test]
async fn a_password_opens_a_server_and_a_wrong_one_is_not_shown() {
    let arguments = |_: &tempfile::TempDir, _| vec!["--requirepass".to_owned(), "hunter2".to_owned()];
    let Some(server) = Server::with(arguments) else { return };
    let open = |password: &str| {
        let url = format!("redis://:{password}@127.0.0.1:{}/", server.port);
        Redis::open(&url).unwrap().timeout(Duration::from_secs(10))
    };
    assert!(look(&open("hunter2")).await.unwrap().is_none());
    let error = look(&open("hunter3")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
    let none = Redis::open(&server.url()).unwrap().timeout(Duration::from_secs(10));
    assert!(look(&none).await.is_err());
}

#[tokio::test]
async fn a_server_with_tls_is_believed_if_its_authority_is() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &authority).unwrap();
    let arguments = |folder: &tempfile::TempDir, port: u16| {
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (certificate, key) = (file("cert.pem", certificate.pem()), file("key.pem", key.serialize_pem()));
        let port = port.to_string();
        let words = [
            "--port",
            "0",
            "--tls-port",
            &port,
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &certificate,
        ];
        words.map(str::to_owned).into()
    };
    let Some(server) = Server::with(arguments) else { return };
    let url = format!("rediss://127.0.0.1:{}/", server.port);
    let known = Redis::open_with_authority(&url, authority.pem()).unwrap().timeout(Duration::from_secs(10));
    assert!(look(&known).await.unwrap().is_none());
    let unknown = Redis::open(&url).unwrap().timeout(Duration::from_secs(10));
    assert_eq!(look(&unknown).await.unwrap_err().kind(), ErrorKind::Unavailable);
}
