use super::*;

fn fields(json: &str) -> Fields<Object<'_>> {
    Fields::new(serde_json::from_str(json).unwrap())
}

fn faults<T>(result: Result<T, Vec<Fault>>) -> Vec<String> {
    result.err().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn every_fault_is_found_by_its_path_and_no_value_is_repeated() {
    let json = r#"{
        "name": 5, "twice": 1, "twice": 2, "number": 101, "word": "secret", "address": "secret",
        "below": {"list": [1, "secret"], "texts": ["1", "2"], "twice": 1, "twice": 1, "other": null},
        "rules": [{"number": 1}, {"number": 0}, 7], "unknown": "secret", "un known": 1
    }"#;
    let mut fields = fields(json);
    assert_eq!(fields.required::<String>("name"), None);
    assert_eq!(fields.required::<u32>("missing"), None);
    assert_eq!(fields.optional::<u32>("twice"), None);
    assert_eq!(fields.number("number", 100), None);
    assert!(!fields.or_default::<bool>("word"));
    assert_eq!(fields.url("address"), None);
    let below = fields.object("below", |fields| {
        assert!(fields.or_default::<Vec<u8>>("list").is_empty());
        assert!(fields.texts::<String>("texts", 1).is_empty());
        fields.optional::<u8>("twice")
    });
    assert_eq!(below, None);
    let rules = fields.objects("rules", 3, |fields| fields.number("number", 1));
    assert_eq!(rules.len(), 1);
    assert!(
        fields.is_faulty("below") && fields.is_faulty("below.list") && !fields.is_faulty("bel")
    );
    let expected = [
        "name: must be a string",
        "missing is missing",
        "twice: was sent more than once",
        "number: 1 to 100",
        "word: must be true or false",
        "address: an absolute address",
        "below.list[1]: must be a whole number in range",
        "below.texts: at most 1 entries",
        "below.twice: was sent more than once",
        "below.other is not a field of this object",
        "rules[1].number: 1 to 1",
        "rules[2]: must be an object",
        "(unknown) is not a field of this object",
        "unknown is not a field of this object",
    ];
    assert_eq!(faults(fields.finish(Some(()))), expected);
}

#[test]
fn a_field_may_be_absent_and_an_optional_one_null() {
    let mut fields = fields(r#"{"a": null, "b": null, "c": "x"}"#);
    assert_eq!(fields.optional::<String>("a"), None);
    assert_eq!(fields.object("b", |_| Some(())), None);
    assert_eq!(fields.optional::<String>("c").unwrap(), "x");
    assert!(!fields.or_default::<bool>("d"));
    assert!(fields.texts::<String>("e", 1).is_empty() && fields.url("f").is_none());
    assert!(fields.finish(Some(())).is_ok());
    let mut fields = self::fields(r#"{"a": null}"#);
    assert!(!fields.or_default::<bool>("a"));
    assert_eq!(faults(fields.finish(Some(()))), ["a: must be true or false"]);
}

#[test]
fn variables_are_parsed_and_an_empty_one_counts_as_none() {
    let variable = |name: &str| match name {
        "A" => Some("7".to_owned()),
        "B" => Some("  ".to_owned()),
        "C" => Some("seven".to_owned()),
        _ => None,
    };
    let mut fields = Fields::new(Variables(&variable));
    assert_eq!(fields.required("A"), Some(7_u8));
    assert_eq!(fields.optional::<u8>("B"), None);
    assert_eq!(fields.required::<u8>("B"), None);
    assert_eq!(fields.optional::<u8>("C"), None);
    assert_eq!(faults(fields.all(Some(()))), ["B is missing", "C: invalid digit found in string"]);
}
