// SPDX-License-Identifier: GPL-2.0

//! Lists in JSON that are written item by item: a timeline may have hundreds of thousands of bars.

use serde::Serialize;

/// A list in the making, at the end of a text.
#[derive(Debug)]
pub(crate) struct List<'t> {
    text: &'t mut String,
    begun: bool,
}

impl<'t> List<'t> {
    /// Begins a list.
    pub(crate) fn new(text: &'t mut String) -> Self {
        text.push('[');
        Self { text, begun: false }
    }

    /// Adds an item.
    pub(crate) fn push(&mut self, item: &impl Serialize) {
        if std::mem::replace(&mut self.begun, true) {
            self.text.push(',');
        }
        *self.text += &json(item);
    }

    /// Ends the list.
    pub(crate) fn end(self) {
        self.text.push(']');
    }
}

/// Adds the list of all items to a text.
pub(crate) fn list<T: Serialize>(text: &mut String, items: impl IntoIterator<Item = T>) {
    let mut list = List::new(text);
    for item in items {
        list.push(&item);
    }
    list.end();
}

/// A value. No map in it may have keys that are not strings, so that this cannot fail. No tag
/// begins within it, which a script in a page must not have.
pub(crate) fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    match text.contains('<') {
        true => text.replace('<', "\\u003c"),
        false => text,
    }
}
