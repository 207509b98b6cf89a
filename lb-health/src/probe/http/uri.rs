//! URIs: percent-encoding, and references relative to another one (RFC 3986).

use std::fmt::Write as _;

/// A text as a URI: white space at its end is cut off, and what cannot stand in a URI is percent-encoded, as libwww-perl
/// does. What is encoded already stays so, and so does a `%` that encodes nothing.
pub fn encode(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref().trim_ascii_end();
    // The brackets of an IPv6 address.
    let authority = match text.windows(3).position(|part| part == b"://") {
        Some(at) if text[..at].iter().all(u8::is_ascii_alphanumeric) => {
            let rest = &text[at + 3..];
            at + 3 + rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len())
        }
        _ => 0,
    };
    let mut uri = String::with_capacity(text.len());
    for (at, &byte) in text.iter().enumerate() {
        let is_bracket = at < authority && matches!(byte, b'[' | b']');
        if byte.is_ascii_alphanumeric() || b"-_.!~*'();/?:@&=+$,%#".contains(&byte) || is_bracket {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// The parts of a URI reference, RFC 3986 appendix B. The fragment is left out: it is not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) scheme: Option<&'a str>,
    pub(super) authority: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(reference: &'a str) -> Self {
        let rest = reference.split('#').next().unwrap_or_default();
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, after)) if is_scheme(scheme) => (Some(scheme), after),
            _ => (None, rest),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        Self { scheme, authority, path, query }
    }

    /// Path and query as a request has them.
    pub(super) fn target(&self) -> String {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        let query = self.query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{slash}{}{query}", self.path)
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// What a reference means in a document at `base`, RFC 3986 section 5.2, without the fragment.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    let (base, reference) = (Parts::of(base), Parts::of(reference));
    let (scheme, authority, path, query) = match reference {
        Parts { scheme: Some(_), .. } => {
            (reference.scheme, reference.authority, without_dots(reference.path), reference.query)
        }
        Parts { authority: Some(_), .. } => {
            (base.scheme, reference.authority, without_dots(reference.path), reference.query)
        }
        Parts { path: "", .. } => {
            (base.scheme, base.authority, base.path.to_owned(), reference.query.or(base.query))
        }
        Parts { path, query, .. } if path.starts_with('/') => {
            (base.scheme, base.authority, without_dots(path), query)
        }
        Parts { path, query, .. } => {
            let folder = match base.path.rfind('/') {
                Some(end) => &base.path[..=end],
                None if base.authority.is_some() => "/",
                None => "",
            };
            (base.scheme, base.authority, without_dots(&format!("{folder}{path}")), query)
        }
    };
    let scheme = scheme.map(|scheme| format!("{scheme}:")).unwrap_or_default();
    let authority = authority.map(|authority| format!("//{authority}")).unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}{authority}{path}{query}")
}

/// RFC 3986 section 5.2.4.
fn without_dots(path: &str) -> String {
    let (mut rest, mut done) = (path, String::with_capacity(path.len()));
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("../").or_else(|| rest.strip_prefix("./")) {
            rest = after;
        } else if rest.starts_with("/./") {
            rest = &rest[2..];
        } else if rest == "/." {
            rest = "/";
        } else if rest.starts_with("/../") || rest == "/.." {
            done.truncate(done.rfind('/').unwrap_or(0));
            rest = if rest == "/.." { "/" } else { &rest[3..] };
        } else if rest == "." || rest == ".." {
            rest = "";
        } else {
            let end = rest[1..].find('/').map_or(rest.len(), |end| end + 1);
            done.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::{encode, resolve};

    #[test]
    fn references_are_resolved_as_in_rfc_3986_section_5_4() {
        for (reference, expected) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/./x", "http://a/b/c/g"),
            ("http:g", "http:g"),
        ] {
            assert_eq!(resolve("http://a/b/c/d;p?q", reference), expected, "{reference:?}");
        }
        // The base has no path.
        assert_eq!(resolve("http://a", "g"), "http://a/g");
        assert_eq!(resolve("http://a?q", "?y"), "http://a?y");
    }

    #[test]
    fn what_cannot_stand_in_a_uri_is_encoded() {
        // perl -MURI -e 'print URI->new($ARGV[0])' (URI 5.17)
        for (text, expected) in [
            ("/a b?c=d e", "/a%20b?c=d%20e"),
            ("/index.html?x=äö", "/index.html?x=%C3%A4%C3%B6"),
            ("/ok?a={b}|c[]", "/ok?a=%7Bb%7D%7Cc%5B%5D"),
            ("/ok?a=%zz%41%", "/ok?a=%zz%41%"),
            ("/ok?<x>\\^`\"", "/ok?%3Cx%3E%5C%5E%60%22"),
            ("/a;b:c@d&e=f+g$h,i!j~k*l'(m)-n_o.p#q", "/a;b:c@d&e=f+g$h,i!j~k*l'(m)-n_o.p#q"),
            ("/ok \t", "/ok"),
            ("/ ok", "/%20ok"),
            ("http://[::1]:8/a[b]?[c]", "http://[::1]:8/a%5Bb%5D?%5Bc%5D"),
            ("/\x01\x7f", "/%01%7F"),
        ] {
            assert_eq!(encode(text), expected, "{text:?}");
        }
        assert_eq!(encode(b"/\xfc"), "/%FC");
    }
}
