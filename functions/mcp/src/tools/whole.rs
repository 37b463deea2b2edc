//! The faults of a row: a test looks for them in every row.

use super::tool::{Call, Does, Paging, Tool, Verb};
use crate::engine::fill::Template;
use crate::engine::show::Projection;

/// The longest name of a tool (SEP-986).
const LONGEST_NAME: usize = 64;

impl Tool {
    /// Returns everything that is wrong with the row.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let is_word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !is_word(self.name) || self.name.len() > LONGEST_NAME {
            faults.push("its name is no word".to_owned());
        }
        if !self.about.ends_with('.') {
            faults.push("its description is no sentence".to_owned());
        }
        for (index, parameter) in self.parameters.iter().enumerate() {
            if !is_word(parameter.name) {
                faults.push(format!("{} is no name of a parameter", parameter.name));
            }
            if self.parameters[..index].iter().any(|other| other.name == parameter.name) {
                faults.push(format!("{} is there twice", parameter.name));
            }
        }
        if let Does::Call(call) = &self.does {
            faults.extend(self.faults_of(call));
        }
        faults
    }

    fn faults_of(&self, call: &Call) -> Vec<String> {
        let mut faults = Vec::new();
        if !call.path.starts_with('/') {
            faults.push("it has no path".to_owned());
        }
        if let Err(fault) = Projection::parse(call.show) {
            faults.push(format!("show: {fault}"));
        }
        let used = match Template::parse(call) {
            Ok(template) => template.arguments(),
            Err(fault) => {
                faults.push(fault);
                return faults;
            }
        };
        for name in &used {
            if !self.parameters.iter().any(|parameter| parameter.name == *name) {
                faults.push(format!("it uses {name}, which is no parameter"));
            }
        }
        for parameter in self.parameters {
            let is_of_pages = ["limit", "next"].contains(&parameter.name);
            if !is_of_pages && !used.contains(&parameter.name) {
                faults.push(format!("it ignores {}", parameter.name));
            }
        }
        let has_next = self.parameters.iter().any(|parameter| parameter.name == "next");
        if has_next == (call.paging == Paging::None) {
            faults.push("it takes `next` if and only if its list has pages".to_owned());
        }
        if call.method != Verb::Post && call.method != Verb::Get && self.only_reads() {
            faults.push("its method writes, and it only reads".to_owned());
        }
        faults
    }
}
