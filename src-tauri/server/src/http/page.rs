//! The page in the browser, which is built into this program: behind a link it receives, without one it sends.

use super::Failure;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use sluice_protocol::error::Code;

/// What the page may do: run and draw what this server has, talk to it, and ask for the app. Nothing is inline, and
/// text becomes markup or the address of a script only in the two places that are named.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    worker-src 'self'; frame-src 'self' sluice:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html default";

/// A name in `/assets/` has a hash of the content in it.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Below this path the service worker hands downloads to the browser; it may answer for nothing else.
const DOWNLOADS: &str = "/d/";

struct File {
    path: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/page.rs"));

impl File {
    fn find(path: &str) -> Result<&'static File, Failure> {
        let file = FILES.iter().find(|file| file.path == path);
        file.ok_or(Failure::new(StatusCode::NOT_FOUND, Code::RequestInvalid))
    }

    fn answer(&self, asked: &HeaderMap, more: &[(HeaderName, &'static str)]) -> Response {
        let gzip = self.gzip.filter(|_| takes_gzip(asked));
        let body = Bytes::from_static(gzip.unwrap_or(self.plain));
        let mut response = body.into_response();
        let headers = response.headers_mut();
        let encoding = gzip.map(|_| (header::CONTENT_ENCODING, "gzip"));
        let of_all = [
            (header::CONTENT_TYPE, self.kind),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::VARY, "accept-encoding"),
        ];
        for (name, value) in of_all.into_iter().chain(encoding).chain(more.iter().cloned()) {
            headers.insert(name, header::HeaderValue::from_static(value));
        }
        response
    }
}

/// The same for every share, known or not; changes nothing.
#[utoipa::path(get, path = "/s/{share}", tag = "people",
    params(("share" = String, Path, description = "Anything.")),
    responses((status = 200, description = "The page that receives.", body = String, content_type = "text/html")))]
pub async fn receive(asked: HeaderMap) -> Result<Response, Failure> {
    index(&asked)
}

/// The same page, which sends where there is no link.
#[utoipa::path(get, path = "/", tag = "people",
    responses((status = 200, description = "The page that sends.", body = String, content_type = "text/html")))]
pub async fn home(asked: HeaderMap) -> Result<Response, Failure> {
    index(&asked)
}

/// As `/`.
#[utoipa::path(get, path = "/send", tag = "people",
    responses((status = 200, description = "The page that sends.", body = String, content_type = "text/html")))]
pub async fn send(asked: HeaderMap) -> Result<Response, Failure> {
    index(&asked)
}

fn index(asked: &HeaderMap) -> Result<Response, Failure> {
    Ok(File::find("/index.html")?.answer(asked, &[]))
}

/// A script, style or picture of the page, which never changes under its name.
#[utoipa::path(get, path = "/assets/{file}", tag = "people",
    params(("file" = String, Path, description = "A name that the page has.")),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/javascript"), (String = "text/css"), (String = "image/svg+xml"),
        )),
        (status = 404, description = "No such file (request_invalid).", body = sluice_protocol::signal::ErrorBody),
    ))]
pub async fn asset(Path(file): Path<String>, asked: HeaderMap) -> Result<Response, Failure> {
    let file = File::find(&format!("/assets/{file}"))?;
    Ok(file.answer(&asked, &[(header::CACHE_CONTROL, FOREVER)]))
}

/// The page's service worker, by which the browser saves while the bytes come.
#[utoipa::path(get, path = "/sw.js", tag = "people",
    responses(
        (status = 200, description = "The script.", body = String, content_type = "text/javascript"),
        (status = 404, description = "The server was built without the page (request_invalid).",
            body = sluice_protocol::signal::ErrorBody),
    ))]
pub async fn service_worker(asked: HeaderMap) -> Result<Response, Failure> {
    let more =
        [(header::CACHE_CONTROL, "no-cache"), (HeaderName::from_static("service-worker-allowed"), DOWNLOADS)];
    Ok(File::find("/sw.js")?.answer(&asked, &more))
}

// RFC 9110 §12.5.3, as far as a server that has one encoding needs it.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{FILES, File, takes_gzip};
    use axum::http::header::{ACCEPT_ENCODING, HeaderMap};

    #[test]
    fn compressed_goes_to_those_who_take_it() {
        let asked = |list: &str| HeaderMap::from_iter([(ACCEPT_ENCODING, list.parse().unwrap())]);
        for list in ["gzip", "deflate, GZIP;q=0.5, br", "br;q=1.0,gzip ; q=1"] {
            assert!(takes_gzip(&asked(list)), "{list}");
        }
        for list in ["", "br", "gzip;q=0", "gzip;q=0.0", "xgzip", "gzip;q=x"] {
            assert!(!takes_gzip(&asked(list)), "{list}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn there_is_a_page_and_all_that_it_names() {
        let page = std::str::from_utf8(File::find("/index.html").unwrap().plain).unwrap();
        let names = page.split('"').filter(|text| text.starts_with("/assets/"));
        assert!(names.clone().count() > 0 || FILES.len() == 1);
        for name in names {
            File::find(name).unwrap();
        }
    }
}
