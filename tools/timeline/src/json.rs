// SPDX-License-Identifier: GPL-2.0

//! Lists in JSON that are written item by item: a timeline may have hundreds of thousands of bars.

use serde::Serialize;

/// A list in the making.
#[derive(Debug, Default)]
pub(crate) struct List(String);

impl List {
    /// Adds an item. No map in it may have keys that are not strings, so that this cannot fail.
    pub(crate) fn push(&mut self, item: &impl Serialize) {
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
        self.0 += &serde_json::to_string(item).unwrap_or_default();
    }

    /// All of it.
    pub(crate) fn end(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('[');
        }
        self.0.push(']');
        self.0
    }
}

/// The list of all items.
pub(crate) fn list<T: Serialize>(items: impl IntoIterator<Item = T>) -> String {
    let mut list = List::default();
    for item in items {
        list.push(&item);
    }
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(list(Vec::<u32>::new()), "[]");
        assert_eq!(list([1, 2]), "[1,2]");
    }
}
