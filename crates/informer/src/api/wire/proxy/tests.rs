//! Tables of what Go makes of such environments.

use super::{ProxyError, of_environment, through};

/// The proxy for a server, in an environment of `NAME=value` separated by semicolons.
fn proxy(environment: &str, server: &str) -> Result<Option<String>, ProxyError> {
    let variables = environment.split(';').filter_map(|pair| pair.split_once('='));
    let variable =
        |name: &str| variables.clone().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
    let proxy = of_environment(variable, &server.parse().unwrap())?;
    Ok(proxy.map(|proxy| proxy.uri().to_string()))
}

#[test]
fn which_variable_counts() {
    let some = |url: &str| Some(url.to_owned());
    for (environment, server, expected) in [
        ("", "https://a.b", None),
        ("HTTPS_PROXY=http://p:1", "https://a.b", some("http://p:1/")),
        ("https_proxy=http://p:1", "https://a.b", some("http://p:1/")),
        ("HTTPS_PROXY=http://p:1;https_proxy=http://q:1", "https://a.b", some("http://p:1/")),
        ("HTTPS_PROXY=;https_proxy=http://q:1", "https://a.b", some("http://q:1/")),
        ("HTTP_PROXY=http://p:1", "https://a.b", None),
        ("HTTP_PROXY=http://p:1", "http://a.b", some("http://p:1/")),
        ("http_proxy=http://p:1", "http://a.b", some("http://p:1/")),
        ("HTTPS_PROXY=http://p:1", "http://a.b", None),
        ("ALL_PROXY=http://p:1;all_proxy=http://p:1", "https://a.b", None),
        ("HTTPS_PROXY=p:1", "https://a.b", some("http://p:1/")),
        ("HTTPS_PROXY=user:secret@p:1", "https://a.b", some("http://p:1/")),
        ("HTTPS_PROXY=socks5://p:1", "https://a.b", some("socks5://p:1/")),
        ("HTTPS_PROXY=p:1;REQUEST_METHOD=GET", "https://a.b", some("http://p:1/")),
        ("HTTPS_PROXY=p:1;NO_PROXY=;no_proxy=a.b", "https://a.b", None),
        ("HTTPS_PROXY=p:1;NO_PROXY=c;no_proxy=a.b", "https://a.b", some("http://p:1/")),
    ] {
        assert_eq!(proxy(environment, server), Ok(expected), "{environment} {server}");
    }
}

#[test]
fn what_needs_no_proxy() {
    for (exceptions, server, is_direct) in [
        ("", "https://localhost:6443", true),
        ("", "https://127.0.0.1:6443", true),
        ("", "https://127.8.9.1:6443", true),
        ("", "https://[::1]:6443", true),
        ("", "https://[::ffff:127.0.0.1]:6443", true),
        ("", "https://10.0.0.1:6443", false),
        ("*", "https://10.0.0.1", true),
        ("x, *", "https://a.b", true),
        ("*.a.b", "https://c.a.b", true),
        ("*.a.b", "https://a.b", false),
        (".a.b", "https://c.a.b", true),
        (".a.b", "https://a.b", false),
        ("a.b", "https://a.b", true),
        ("a.b", "https://c.a.b", true),
        ("a.b", "https://ca.b", false),
        ("A.b", "https://a.B", true),
        ("a.b:443", "https://a.b", true),
        ("a.b:443", "https://a.b:443", true),
        ("a.b:6443", "https://a.b", false),
        ("a.b:", "https://a.b", true),
        (":443", "https://a.b", false),
        (" , ,", "https://a.b", false),
        ("*b", "https://a.b", false),
        ("10.0.0.1", "https://10.0.0.1:6443", true),
        ("10.0.0.1:6443", "https://10.0.0.1:6443", true),
        ("10.0.0.1:443", "https://10.0.0.1:6443", false),
        ("10.0.0.1", "https://10.0.0.11", false),
        ("::ffff:10.0.0.1", "https://10.0.0.1", true),
        ("fd00::1", "https://[fd00::1]:6443", true),
        ("fd00:0::1", "https://[fd00::1]:6443", true),
        ("[fd00::1]:6443", "https://[fd00::1]:6443", true),
        ("[fd00::1]:443", "https://[fd00::1]:6443", false),
        ("10.0.0.0/8", "https://10.1.2.3:6443", true),
        ("10.9.9.9/8", "https://10.1.2.3:6443", true),
        ("10.0.0.0/8", "https://11.1.2.3:6443", false),
        ("10.0.0.0/8", "https://a.b", false),
        ("fd00::/8", "https://[fd12::1]:6443", true),
        ("192.168.0.0/16,.svc,.cluster.local", "https://kubernetes.default.svc", true),
    ] {
        let environment = format!("HTTPS_PROXY=http://p:1;NO_PROXY={exceptions}");
        let direct = proxy(&environment, server).unwrap().is_none();
        assert_eq!(direct, is_direct, "{exceptions:?} {server}");
    }
}

#[test]
fn what_cannot_be_used_is_named_without_passwords() {
    for (environment, server, expected) in [
        ("HTTPS_PROXY=not a url", "https://a.b", r#"HTTPS_PROXY "not a url" is not the URL of a proxy"#),
        ("https_proxy=http://", "https://a.b", r#"https_proxy "http://" is not the URL of a proxy"#),
        (
            "HTTP_PROXY=ftp://user:secret@p",
            "http://a.b",
            r#"HTTP_PROXY "ftp://...@p": a proxy is http, https, socks5 or socks5h"#,
        ),
        ("HTTPS_PROXY=user:secret@", "https://a.b", r#"HTTPS_PROXY "...@" is not the URL of a proxy"#),
    ] {
        assert_eq!(proxy(environment, server).unwrap_err().to_string(), expected);
    }
    let cgi = proxy("HTTP_PROXY=p;REQUEST_METHOD=GET", "http://a.b");
    assert_eq!(cgi, Err(ProxyError::Cgi { name: "HTTP_PROXY".to_owned() }));
}

#[test]
fn a_password_is_for_the_proxy() {
    let server = "https://a.b".parse().unwrap();
    let proxy = through("proxy-url", "http://user:p%40ss@p:1", &server).unwrap();
    assert_eq!(proxy.basic_auth().unwrap(), "Basic dXNlcjpwQHNz");
    let proxy = through("proxy-url", "socks5://user:p%40ss@p:1", &server).unwrap();
    assert_eq!(proxy.raw_auth(), Some(("user", "p@ss")));
}
