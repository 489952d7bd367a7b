//! Lists of `key=value`, percent-encoded, as `OTEL_RESOURCE_ATTRIBUTES` and the headers are written.

/// Reads `key=value,key=value`; keys and values are decoded, empty members left out.
///
/// # Errors
/// Says what is wrong by the number of the member, and never cites the member: it may be a secret.
pub(super) fn pairs(list: &str) -> Result<Vec<(String, String)>, String> {
    let members = list.split(',').enumerate().filter(|(_, member)| !member.trim().is_empty());
    members.map(|(index, member)| pair(member).map_err(|message| in_member(index, message))).collect()
}

/// Reads headers: as [`pairs`], with keys and values that HTTP and gRPC can carry.
///
/// # Errors
/// As [`pairs`].
pub(super) fn headers(list: &str) -> Result<Vec<(String, String)>, String> {
    let headers = pairs(list)?.into_iter().enumerate().map(|(index, (key, value))| {
        let key = key.to_ascii_lowercase();
        match check_header(&key, &value) {
            Ok(()) => Ok((key, value)),
            Err(message) => Err(in_member(index, message)),
        }
    });
    headers.collect()
}

/// Reads words between commas, each once; `none` alone means an empty list.
///
/// # Errors
/// Says which words are expected, by the error of `read`.
pub(super) fn words<T: PartialEq>(
    value: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut list = Vec::new();
    let mut none = false;
    for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let word = word.to_ascii_lowercase();
        if word == "none" {
            none = true;
            continue;
        }
        let item = read(&word)?;
        if !list.contains(&item) {
            list.push(item);
        }
    }
    match (none, list.is_empty()) {
        (true, false) => Err("none excludes the others: leave it out, or them".to_owned()),
        (false, true) => read("").map(|_| list),
        _ => Ok(list),
    }
}

fn in_member(index: usize, message: &str) -> String {
    format!("member {}: {message}", index + 1)
}

fn pair(member: &str) -> Result<(String, String), &'static str> {
    let (key, value) = member.split_once('=').ok_or("expected key=value")?;
    let key = decode(key.trim())?;
    if key.is_empty() {
        return Err("expected a key before the equals sign");
    }
    Ok((key, decode(value.trim())?))
}

fn check_header(key: &str, value: &str) -> Result<(), &'static str> {
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)) {
        return Err("the key is not the name of a header: use letters, digits and -");
    }
    if key.ends_with("-bin") {
        return Err("binary headers (-bin) are not supported: use a header of text");
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("the value is not printable ASCII");
    }
    Ok(())
}

/// Decodes `%41` to `A`.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |index: usize| tail.get(index).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err("% needs two hex digits after it: write a percent sign as %25");
        };
        // Two hex digits make a byte.
        bytes.push((high << 4 | low) as u8);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| "the percent-encoded bytes are not UTF-8")
}
