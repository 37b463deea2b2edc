//! Update expressions of the small item.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

/// An update expression in the making.
#[derive(Default)]
pub(super) struct Change {
    set: Vec<(String, AttributeValue)>,
    add: Vec<(String, AttributeValue)>,
    remove: Vec<String>,
}

impl Change {
    pub(super) fn ending_the_lease() -> Self {
        let remove = vec!["lease_owner".to_owned(), "lease_until".to_owned()];
        Self { remove, ..Self::default() }
    }

    pub(super) fn set(&mut self, name: &str, value: AttributeValue) {
        self.set.push((name.to_owned(), value));
    }

    pub(super) fn add(&mut self, name: &str, value: AttributeValue) {
        self.add.push((name.to_owned(), value));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.remove.push(name.to_owned());
    }

    pub(super) fn apply(self, mut update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let mut clauses = Vec::new();
        for (verb, prefix, pairs) in [("SET", "set", self.set), ("ADD", "add", self.add)] {
            let mut parts = Vec::new();
            for (index, (name, value)) in pairs.into_iter().enumerate() {
                let (placeholder, variable) =
                    (format!("#{prefix}{index}"), format!(":{prefix}{index}"));
                let joint = if verb == "SET" { " = " } else { " " };
                parts.push(format!("{placeholder}{joint}{variable}"));
                update = update
                    .expression_attribute_names(placeholder, name)
                    .expression_attribute_values(variable, value);
            }
            if !parts.is_empty() {
                clauses.push(format!("{verb} {}", parts.join(", ")));
            }
        }
        let mut removed = Vec::new();
        for (index, name) in self.remove.into_iter().enumerate() {
            let placeholder = format!("#gone{index}");
            update = update.expression_attribute_names(&placeholder, name);
            removed.push(placeholder);
        }
        if !removed.is_empty() {
            clauses.push(format!("REMOVE {}", removed.join(", ")));
        }
        update.update_expression(clauses.join(" "))
    }
}
