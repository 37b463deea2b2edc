//! Dotted paths into JSON: a number is an index, `*` is every entry, and `\.` is a dot of a name.

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A member of an object.
    Member(String),
    /// An entry of a list.
    Index(usize),
    /// Every entry of a list, or every member of an object.
    Every,
}

/// Splits a path at its dots.
pub(super) fn keys(path: &str) -> Vec<Key> {
    if path.is_empty() {
        return Vec::new();
    }
    let mut names = vec![String::new()];
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, names.last_mut()) {
            ('\\', Some(name)) if characters.peek() == Some(&'.') => {
                characters.next();
                name.push('.');
            }
            ('.', _) => names.push(String::new()),
            (other, Some(name)) => name.push(other),
            (_, None) => {}
        }
    }
    let key = |name: String| match name.parse() {
        Ok(index) => Key::Index(index),
        Err(_) if name == "*" => Key::Every,
        Err(_) => Key::Member(name),
    };
    names.into_iter().map(key).collect()
}
