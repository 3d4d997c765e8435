//! `kv` tables: typed getters, and types of the service's own.

use super::*;

#[test]
fn kv_getters_check_types() {
    let settings = Settings::parse(
        "[[component]]\nname = 'C'\n[component.kv]\ntext = 'a'\nnumber = 3\nhalf = 0.5\nflag = true\n\
         list = ['a', 'b']\naddress = '127.0.0.1:80'\nminus = -1\nwhen = 2024-01-01",
    )
    .unwrap();
    let kv = settings.component("C").unwrap().kv();
    assert_eq!(kv.string("text").unwrap(), Some("a"));
    assert_eq!(kv.integer("minus").unwrap(), Some(-1));
    assert_eq!(kv.unsigned("number").unwrap(), Some(3));
    assert_eq!(kv.float("half").unwrap(), Some(0.5));
    assert_eq!(kv.float("number").unwrap(), Some(3.0));
    assert_eq!(kv.boolean("flag").unwrap(), Some(true));
    assert_eq!(kv.seconds("number").unwrap(), Some(Duration::from_secs(3)));
    assert_eq!(kv.strings("list").unwrap().unwrap(), ["a", "b"]);
    assert_eq!(kv.address("address").unwrap().unwrap().port(), 80);
    assert_eq!(kv.string("absent").unwrap(), None);
    let place = "settings text, line ";
    for (error, line, rest) in [
        (
            kv.string("number").unwrap_err(),
            5,
            "component.C.kv.number: expected a text",
        ),
        (
            kv.string("when").unwrap_err(),
            11,
            "component.C.kv.when: expected a text, found the date 2024-01-01",
        ),
        (
            kv.integer("text").unwrap_err(),
            4,
            "component.C.kv.text: expected a whole number",
        ),
        (
            kv.unsigned("minus").unwrap_err(),
            10,
            "component.C.kv.minus: -1 is below 0",
        ),
        (
            kv.float("text").unwrap_err(),
            4,
            "component.C.kv.text: expected a number",
        ),
        (
            kv.boolean("number").unwrap_err(),
            5,
            "component.C.kv.number: expected true or false",
        ),
        (
            kv.strings("text").unwrap_err(),
            4,
            "component.C.kv.text: expected a list of texts",
        ),
        (
            kv.address("text").unwrap_err(),
            4,
            "component.C.kv.text: expected an address",
        ),
        (kv.missing("motd"), 3, "component.C.kv.motd: missing"),
        (
            kv.bad_value("number", "too few"),
            5,
            "component.C.kv.number: too few",
        ),
        (
            kv.only(&["text", "number"]).unwrap_err(),
            6,
            "component.C.kv.half: unknown key, expected one of text, number",
        ),
    ] {
        assert!(
            error
                .to_string()
                .starts_with(&format!("{place}{line}: {rest}")),
            "{error}"
        );
    }
}

#[test]
fn kv_deserializes_into_a_type_of_the_service() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Chat {
        prompt: String,
        size: u32,
        #[serde(default)]
        loud: bool,
    }
    let layers = Layers::new(&[(
        "default.toml",
        "[[component]]\nname = 'C'\nkv = { prompt = 'Who?', size = 1 }\n[[component]]\nname = 'D'",
    )]);
    let over = [
        ("APP__COMPONENT__C__KV__PROMPT", "99"),
        ("APP__COMPONENT__C__KV__SIZE", "5"),
        ("APP__COMPONENT__C__KV__LOUD", "true"),
    ];
    let settings = layers.load(&over).unwrap();
    let chat: Chat = settings.component("C").unwrap().kv().deserialize().unwrap();
    assert_eq!(
        chat,
        Chat {
            prompt: "99".into(),
            size: 5,
            loud: true
        }
    );
    let error = settings
        .component("D")
        .unwrap()
        .kv()
        .deserialize::<Chat>()
        .unwrap_err();
    assert!(error.to_string().contains("component.D.kv"), "{error}");
    let settings = layers
        .load(&[("APP__COMPONENT__C__KV__SIZE", "many")])
        .unwrap();
    let error = settings
        .component("C")
        .unwrap()
        .kv()
        .deserialize::<Chat>()
        .unwrap_err();
    assert!(
        error.to_string().contains("size") || error.to_string().contains("u32"),
        "{error}"
    );
}
