//! How an application looks to its users: name, logo and colour.

use std::fmt;

use ground::fields::{Fields, Object};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Most characters of a name.
const LONGEST_NAME: usize = 60;
/// Most bytes of a logo's address: it stands in a header of every page.
const LONGEST_ADDRESS: usize = 2048;
/// Least contrast between text and its background (WCAG 2.2, 1.4.3).
const ENOUGH_CONTRAST: f64 = 4.5;

/// How an application looks to its users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Branding {
    /// Its name, 1 to 60 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub name: Option<BrandName>,
    /// The address of its logo, under one of `allowed_return_origins`, without query and fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub logo_url: Option<Url>,
    /// The colour of its buttons, as `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub accent_color: Option<AccentColor>,
}

impl Branding {
    /// Reads every field, so that every fault is noted.
    pub fn read(fields: &mut Fields<Object<'_>>) -> Option<Self> {
        let logo_url = fields.url("logo_url");
        Some(Self {
            name: fields.optional("name"),
            logo_url: logo_url.and_then(|url| fields.checked("logo_url", plain(url))),
            accent_color: fields.optional("accent_color"),
        })
    }
}

/// An address that fits into a header of every page.
fn plain(url: Url) -> Result<Url, &'static str> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an address without query and fragment");
    }
    if url.as_str().len() > LONGEST_ADDRESS { Err("at most 2048 bytes") } else { Ok(url) }
}

/// An application's name for people: 1 to 60 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrandName(String);

impl BrandName {
    /// The name as text, without blanks around it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BrandName {
    type Error = InvalidBrandName;

    fn try_from(text: String) -> Result<Self, InvalidBrandName> {
        let name = text.trim();
        let fits = (1..=LONGEST_NAME).contains(&name.chars().count());
        if fits && !name.chars().any(is_disruptive) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidBrandName)
        }
    }
}

impl From<BrandName> for String {
    fn from(name: BrandName) -> Self {
        name.0
    }
}

/// Whether a character controls something, ends a line, or turns the text around it (Unicode's `Bidi_Control`).
fn is_disruptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text that is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "1 to 60 characters, without control characters and marks that change the direction of text"
)]
pub struct InvalidBrandName;

/// A colour in sRGB, as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccentColor([u8; 3]);

/// The colour of text on an [`AccentColor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextColor {
    /// `#000`.
    Black,
    /// `#fff`.
    White,
}

impl AccentColor {
    /// The colour of text on this one, with a contrast of at least 4.5:1: white if that suffices, else black. White is
    /// usual on buttons, and one of the two always suffices.
    pub fn text_color(self) -> TextColor {
        if contrast(1.0, self.luminance()) >= ENOUGH_CONTRAST {
            TextColor::White
        } else {
            TextColor::Black
        }
    }

    /// Relative luminance, from 0 (black) to 1 (white). <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

/// Contrast of two luminances, the lighter first. <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>
fn contrast(lighter: f64, darker: f64) -> f64 {
    (lighter + 0.05) / (darker + 0.05)
}

impl fmt::Display for AccentColor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl TryFrom<String> for AccentColor {
    type Error = InvalidColor;

    fn try_from(text: String) -> Result<Self, InvalidColor> {
        let digits = text.strip_prefix('#').ok_or(InvalidColor)?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidColor);
        }
        let color = u32::from_str_radix(digits, 16).map_err(|_| InvalidColor)?;
        let [_, red, green, blue] = color.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl From<AccentColor> for String {
    fn from(color: AccentColor) -> Self {
        color.to_string()
    }
}

/// Text that is not a colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a colour as #rrggbb, such as #0b5cad")]
pub struct InvalidColor;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn color(text: &str) -> Result<AccentColor, InvalidColor> {
        text.to_owned().try_into()
    }

    fn name(text: &str) -> Result<BrandName, InvalidBrandName> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_colour_is_six_digits_and_kept_in_lower_case() {
        assert_eq!(color("#0B5cAD").unwrap().to_string(), "#0b5cad");
        for bad in [
            "",
            "#",
            "0b5cad",
            "#fff",
            "#0b5cad0",
            "#+b5cad",
            "red",
            "#ggcccc",
            "#0b5ca\u{e9}",
            " #0b5cad",
        ] {
            assert_eq!(color(bad), Err(InvalidColor), "{bad}");
        }
    }

    #[test]
    fn the_contrast_is_the_one_of_wcag() {
        let (white, black) = (color("#ffffff").unwrap(), color("#000000").unwrap());
        assert!((contrast(white.luminance(), black.luminance()) - 21.0).abs() < 1e-9);
        // The lightest grey that still suffices on white.
        assert_eq!(color("#767676").unwrap().text_color(), TextColor::White);
        assert_eq!(color("#777777").unwrap().text_color(), TextColor::Black);
    }

    #[test]
    fn a_name_is_one_line_in_its_own_direction() {
        assert_eq!(
            name("  Fabrikam \u{2013} \u{1f469}\u{200d}\u{1f4bb} ").unwrap().as_str(),
            "Fabrikam \u{2013} \u{1f469}\u{200d}\u{1f4bb}"
        );
        assert!(name(&"\u{fc}".repeat(60)).is_ok());
        assert!(name(&"\u{fc}".repeat(61)).is_err());
        for bad in [
            "",
            "  ",
            "a\nb",
            "a\u{0}",
            "a\u{7f}",
            "a\u{85}b",
            "\u{202e}gro.live",
            "a\u{2067}b",
            "a\u{2028}b",
        ] {
            assert_eq!(name(bad), Err(InvalidBrandName), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn text_on_every_colour_can_be_read(channels in any::<[u8; 3]>()) {
            let accent = AccentColor(channels);
            let contrast = match accent.text_color() {
                TextColor::White => contrast(1.0, accent.luminance()),
                TextColor::Black => contrast(accent.luminance(), 0.0),
            };
            prop_assert!(contrast >= ENOUGH_CONTRAST, "{accent}: {contrast}");
            prop_assert_eq!(color(&accent.to_string()), Ok(accent));
        }
    }
}
