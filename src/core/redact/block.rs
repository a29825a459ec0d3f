//! Secrets that have a form of their own: JSON web tokens, private keys, addresses of webhooks,
//! schemes of authorization.

use super::found::Found;
use super::kind::Kind;
use super::text::{byte, is_url_safe, opens, run, says, slice};

/// Shortest first part of a token.
const HEADER_LEN_MIN: usize = 10;
/// Longest first line of a key.
const HEAD_LEN_MAX: usize = 64;
/// Longest address of a webhook.
const ADDRESS_LEN_MAX: usize = 512;

/// A token of three parts, of which the first begins at `start`.
///
/// # Errors
/// Up to where none can begin: all that begin in one first part go on alike.
pub(super) fn jwt(text: &[u8], start: usize) -> Result<Found, usize> {
    if !opens(text, start) {
        return Err(start);
    }
    let dot = start + run(text, start, usize::MAX, is_url_safe);
    if byte(text, dot) != b'.' || dot - start < HEADER_LEN_MIN {
        return Err(dot);
    }
    let rest = dot + 1 + run(text, dot + 1, usize::MAX, is_url_safe);
    if byte(text, rest) != b'.' {
        return Err(dot);
    }
    let is_more = |byte: u8| is_url_safe(byte) || byte == b'.';
    let end = rest + run(text, rest, usize::MAX, is_more);
    Ok(Found::new(Kind::Jwt, start, end))
}

/// A private key from its first line to its last; to the end of the text where that is not in it.
pub(super) fn private_key(text: &[u8], start: usize) -> Option<Found> {
    let label = start + "-----BEGIN".len();
    let head = run(text, label, HEAD_LEN_MAX, |byte| {
        byte.is_ascii_uppercase() || byte == b' '
    });
    let is_private = slice(text, label, label + head).ends_with(b"PRIVATE KEY")
        || slice(text, label, label + head).ends_with(b"PRIVATE KEY BLOCK");
    if !is_private {
        return None;
    }
    let rest = slice(text, label + head, text.len());
    let end = find(rest, b"-----END").map_or(text.len(), |at| {
        let tail = label + head + at + "-----END".len();
        let dashes = tail
            + run(text, tail, HEAD_LEN_MAX, |byte| {
                byte != b'-' && byte != b'\n'
            });
        dashes + run(text, dashes, 5, |byte| byte == b'-')
    });
    Some(Found::new(Kind::PrivateKey, start, end))
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

/// Who knows the address of a webhook may write there: what follows its host.
pub(super) fn webhook(text: &[u8], host: usize) -> Option<Found> {
    const HOSTS: [(&str, usize); 5] = [
        ("hooks.slack.com/services/", 20),
        ("hooks.slack.com/workflows/", 20),
        ("hooks.slack.com/triggers/", 20),
        // discord.com and discordapp.com
        ("om/api/webhooks/", 40),
        ("webhook.office.com/webhookb2/", 40),
    ];
    let (known, len_min) = HOSTS.iter().find(|(known, _)| says(text, host, known))?;
    let start = host + known.len();
    let is_path = |byte: u8| is_url_safe(byte) || b"/.@%~".contains(&byte);
    let len = run(text, start, ADDRESS_LEN_MAX, is_path);
    (len >= *len_min).then(|| Found::new(Kind::WebhookUrl, start, start + len))
}

/// What follows `Bearer`, where it is no word of a sentence.
pub(super) fn bearer(text: &[u8], start: usize) -> Option<Found> {
    let token = start + "Bearer ".len();
    let is_token = |byte: u8| is_url_safe(byte) || b".~+/=".contains(&byte);
    let len = run(text, token, usize::MAX, is_token);
    let has_digit = slice(text, token, token + len)
        .iter()
        .any(u8::is_ascii_digit);
    let found = Found::new(Kind::Authorization, token, token + len);
    (opens(text, start) && len >= 8 && has_digit).then_some(found)
}

/// What follows `Basic`, where it is a name and a password in base64.
pub(super) fn basic(text: &[u8], start: usize) -> Option<Found> {
    let token = start + "Basic ".len();
    let is_base64 = |byte: u8| is_url_safe(byte) || b"+/=".contains(&byte);
    let len = run(text, token, usize::MAX, is_base64);
    let has_colon = decoded(slice(text, token, token + len)).any(|byte| byte == b':');
    let found = Found::new(Kind::Authorization, token, token + len);
    (opens(text, start) && len >= 4 && has_colon).then_some(found)
}

/// The bytes that base64 stands for, up to the first character that is none of it.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    text.chunks(4).flat_map(move |four| {
        let mut bits = 0_u32;
        let known = four.iter().map_while(digit);
        let mut len = 0;
        for digit in known {
            bits = bits << 6 | u32::from(digit);
            len += 1;
        }
        bits <<= 6 * (4_u32.saturating_sub(len));
        let [_, bytes @ ..] = bits.to_be_bytes();
        bytes.into_iter().take((len.saturating_sub(1)) as usize)
    })
}
