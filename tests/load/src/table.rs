//! Tables in Markdown that are easy to read on a terminal, too.

use std::fmt::Write as _;

/// Writes a table whose columns are as wide as their widest cell.
pub(crate) fn markdown<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].as_str()).chain([head[column], "---"]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    });
    let mut text = String::new();
    let mut line = |cells: [&str; N]| {
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
    };
    line(head);
    line(["---"; N]);
    for row in rows {
        line(std::array::from_fn(|column| row[column].as_str()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["nginx".to_owned(), "73".to_owned()]];
        let table = markdown(["subject", "µs"], &rows);
        assert_eq!(table, "| subject | µs  |\n| ---     | --- |\n| nginx   | 73  |\n");
    }
}
