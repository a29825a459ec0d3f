//! One line of a stack trace → the module that the call is in.

/// Longest name of a module in bytes; a longer one is cut.
const MODULE_LEN_MAX: usize = 120;

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// `None` where it is in no module, such as code made up at run time.
    pub(super) module: Option<Box<str>>,
    pub(super) order: Order,
}

/// In which order a language writes its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    OutermostFirst,
    InnermostFirst,
}

/// The call that `line` tells of; `before` is the line before it.
pub(super) fn frame(line: &str, before: Option<&str>) -> Option<Frame> {
    if let Some(path) = python(line) {
        return Some(Frame {
            module: module_of_path(path),
            order: Order::OutermostFirst,
        });
    }
    let trimmed = line.trim_start();
    let module = called(line)
        .or_else(|| go(trimmed, before))
        .or_else(|| rust(trimmed))
        .or_else(|| ruby(trimmed))?;
    Some(Frame {
        module,
        order: Order::InnermostFirst,
    })
}

/// `File "/srv/shop/cart.py", line 7, in lock`, wherever in the line it stands.
fn python(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("File \"")?;
    let (path, rest) = rest.split_once('"')?;
    rest.starts_with(", line ").then_some(path)
}

/// `at com.shop.Cart.lock(Cart.java:7)`, `at Shop.Cart.Lock(Int32 id) in /src/Cart.cs:line 7`,
/// `at Cart.lock (/app/cart.js:7:11)`, `at /app/cart.js:7:11`; a logger's envelope may stand before.
fn called(line: &str) -> Option<Option<Box<str>>> {
    let trimmed = line.trim_start();
    let call = match trimmed.strip_prefix("at ") {
        Some(call) => call,
        None => line.split_once("\tat ").or(line.split_once("    at "))?.1,
    };
    let call = call.strip_prefix("async ").unwrap_or(call);
    let place = call.rsplit_once('(').map_or(call, |(_, place)| place);
    if let Some(path) = script(place.trim_end_matches(')')) {
        return Some(module_of_path(path));
    }
    let (name, _) = call.split_once('(')?;
    // `java.base/java.util.Map.get` and `app//shop.Cart.lock` name the module of the JVM first.
    let name = name.rsplit('/').next().unwrap_or(name).trim();
    let (class, _) = name.rsplit_once('.')?;
    let class = class.split(['$', '+', '<']).next().unwrap_or(class);
    Some(module(class))
}

/// The path of a place in a script: `/app/cart.js:7:11`, `node:internal/net:1:2`.
fn script(place: &str) -> Option<&str> {
    let (place, column) = place.rsplit_once(':')?;
    let (path, line) = place.rsplit_once(':')?;
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    let is_path = path.contains(['/', '\\', '.']) || path.starts_with("node:");
    (is_number(line) && is_number(column) && is_path).then_some(path)
}

/// `/src/shop/cart.go:7 +0x1d`, with `shop/cart.(*Keeper).Lock(0xc0)` in the line before.
fn go(line: &str, before: Option<&str>) -> Option<Option<Box<str>>> {
    let (path, rest) = line.split_once(".go:")?;
    if !rest.starts_with(|c: char| c.is_ascii_digit()) || path.contains(' ') {
        return None;
    }
    let call = before.unwrap_or_default().trim();
    let call = call.strip_prefix("created by ").unwrap_or(call);
    let is_call = call.contains('.') && !call.contains(": ") && !call.contains(".go:");
    if !is_call {
        return Some(module_of_path(path));
    }
    let (folder, name) = match call.rsplit_once('/') {
        Some((folder, name)) => (call.get(..=folder.len()).unwrap_or_default(), name),
        None => ("", call),
    };
    let package = name.split('.').next().unwrap_or(name);
    Some(module(&format!("{folder}{package}")))
}

/// `12: shop::cart::lock`, as Rust numbers its calls.
fn rust(line: &str) -> Option<Option<Box<str>>> {
    let (number, name) = line.split_once(": ")?;
    let is_number =
        (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || !name.contains("::") || name.contains(": ") {
        return None;
    }
    let name = name.trim_start_matches('<');
    let name = name.split([' ', '<']).next().unwrap_or(name);
    let name = name.split("::{{").next().unwrap_or(name);
    let path = name.rsplit_once("::").map_or(name, |(path, _)| path);
    Some(module(path))
}

/// ``from /app/shop/cart.rb:7:in `lock'``.
fn ruby(line: &str) -> Option<Option<Box<str>>> {
    let (path, rest) = line.split_once(".rb:")?;
    let path = path.strip_prefix("from ").unwrap_or(path);
    let is_frame = !path.contains(' ') && rest.contains(":in ");
    is_frame.then(|| module_of_path(path))
}

/// Folders that packages are installed in: what comes after is the module.
const INSTALLED_IN: [&str; 4] = [
    "/site-packages/",
    "/dist-packages/",
    "/node_modules/",
    "/gems/",
];
/// Folders in which an application lies, and that say nothing of it.
const ROOTS: [&str; 16] = [
    "usr",
    "local",
    "src",
    "app",
    "apps",
    "application",
    "opt",
    "srv",
    "var",
    "home",
    "root",
    "code",
    "workspace",
    "build",
    "dist",
    "lib",
];

/// `/usr/lib/python3/site-packages/shop/cart.py` → `shop.cart`.
fn module_of_path(path: &str) -> Option<Box<str>> {
    let path = path.strip_prefix("file://").unwrap_or(path);
    let mut path = path.replace('\\', "/");
    let installed = INSTALLED_IN
        .iter()
        .filter_map(|folder| Some(path.rfind(folder)? + folder.len()));
    if let Some(start) = installed.max() {
        path.drain(..start);
    }
    let is_absolute = path.starts_with('/');
    let mut segments: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "." | ".."))
        .collect();
    let roots = segments.iter().take_while(|part| ROOTS.contains(part));
    let roots = roots.count().min(segments.len().saturating_sub(1));
    if is_absolute {
        segments.drain(..roots);
    }
    if let Some(last) = segments.last_mut() {
        *last = last.split_once('.').map_or(*last, |(name, _)| name);
    }
    if matches!(segments.last(), Some(&("__init__" | "index"))) && segments.len() > 1 {
        segments.pop();
    }
    module(&segments.join("."))
}

/// A name that can be quoted anywhere; `None` for what is no name.
fn module(name: &str) -> Option<Box<str>> {
    let is_of_name =
        |c: &char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '/' | '@' | '~');
    let mut len = 0;
    for c in name.chars().take_while(is_of_name) {
        if len + c.len_utf8() > MODULE_LEN_MAX {
            break;
        }
        len += c.len_utf8();
    }
    let name = name.get(..len)?.trim_matches(['.', ':', '/', '-']);
    name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '@'))
        .then(|| name.into())
}
