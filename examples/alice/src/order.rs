//! What a request asks of Alice: from [`http`](crate::http) to the words that she understands.

use crate::http::{BadRequest, Method, Persistence, Request, Status};

/// The media type of a form that a browser posts.
const FORM: &str = "application/x-www-form-urlencoded";

/// One thing that a visitor wants, and how it wants the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is wanted.
    pub wish: Wish,
    /// Whether the connection stays open after the answer.
    pub persistence: Persistence,
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
}

/// What a visitor may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To see the form.
    Look,
    /// To press a button of the form.
    Press(Button),
    /// Nothing that can be done: here is what to answer.
    Refuse(BadRequest),
    /// Leave to go on with a body.
    GoOn,
    /// Only to go: it will send no more.
    Leave,
}

/// The buttons of the form: `Alice=Init` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// Make Alice ready.
    Init,
    /// Set her going.
    Start,
    /// Have her rest.
    Stop,
    /// Say good-bye and close the connection.
    Bye,
}

impl Button {
    /// All buttons, in the order of the form.
    pub const ALL: [Self; 4] = [Self::Init, Self::Start, Self::Stop, Self::Bye];

    /// The value that the form sends, which is also the label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Init => "Init",
            Self::Start => "Start",
            Self::Stop => "Stop",
            Self::Bye => "Bye",
        }
    }
}

impl Order {
    /// What `request` asks for.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let wish = wish_of(request).unwrap_or_else(Wish::Refuse);
        let persistence = match wish {
            Wish::Press(Button::Bye) => Persistence::Close,
            _ => request.persistence,
        };
        Self {
            wish,
            persistence,
            head_only: request.method == Method::Head,
        }
    }

    /// The last answer on a connection whose bytes are no request.
    #[must_use]
    pub fn refuse(error: BadRequest) -> Self {
        Self {
            wish: Wish::Refuse(error),
            persistence: Persistence::Close,
            head_only: false,
        }
    }

    /// Leave to go on with a body.
    #[must_use]
    pub fn go_on() -> Self {
        Self {
            wish: Wish::GoOn,
            persistence: Persistence::KeepAlive,
            head_only: false,
        }
    }

    /// Nothing more is wanted; the connection can be closed once everything before was answered.
    #[must_use]
    pub fn leave() -> Self {
        Self {
            wish: Wish::Leave,
            persistence: Persistence::Close,
            head_only: false,
        }
    }
}

fn wish_of(request: &Request) -> Result<Wish, BadRequest> {
    let refuse = |status, why| Err(BadRequest { status, why });
    if request.path != "/" {
        return refuse(Status::NotFound, "there is nothing here; Alice lives at /");
    }
    match request.method {
        Method::Get | Method::Head => Ok(Wish::Look),
        Method::Other => refuse(
            Status::MethodNotAllowed,
            "Alice only knows GET, HEAD and POST",
        ),
        Method::Post if !request.framed => {
            refuse(Status::LengthRequired, "a POST says how long its body is")
        }
        Method::Post
            if request
                .content_type
                .as_deref()
                .is_some_and(|media_type| media_type != FORM) =>
        {
            refuse(
                Status::UnsupportedMediaType,
                "Alice only reads application/x-www-form-urlencoded",
            )
        }
        Method::Post => match button(&request.body) {
            Some(button) => Ok(Wish::Press(button)),
            None => refuse(
                Status::BadRequest,
                "a form with Alice=Init, Start, Stop or Bye is wanted",
            ),
        },
    }
}

/// The button in a posted form: exactly one field `Alice`, other fields do not matter.
fn button(form: &[u8]) -> Option<Button> {
    let mut values = form.split(|&byte| byte == b'&').filter_map(|field| {
        let equals = field.iter().position(|&byte| byte == b'=')?;
        (percent_decoded(&field[..equals])? == b"Alice").then_some(&field[equals + 1..])
    });
    let (value, second) = (percent_decoded(values.next()?)?, values.next());
    if second.is_some() {
        return None;
    }
    let value = value.trim_ascii();
    Button::ALL
        .into_iter()
        .find(|button| button.label().as_bytes() == value)
}

/// Undoes `%41` and `+`; nothing where a percent sign is not followed by two hexadecimal digits.
fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => digit(bytes.next()?)? * 16 + digit(bytes.next()?)?,
            _ => byte,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn post(body: &'static str) -> Request {
        Request {
            method: Method::Post,
            path: "/".into(),
            content_type: Some(FORM.into()),
            framed: true,
            persistence: Persistence::KeepAlive,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn refused(request: &Request) -> Status {
        match Order::of(request).wish {
            Wish::Refuse(error) => error.status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn forms() {
        for (body, button) in [
            ("Alice=Init", Button::Init),
            ("Alice=Start&x=y", Button::Start),
            ("x&y=&Alice=Stop", Button::Stop),
            ("%41lice=%42ye", Button::Bye),
            ("Alice=+Init\r\n", Button::Init),
        ] {
            assert_eq!(Order::of(&post(body)).wish, Wish::Press(button), "{body}");
        }
        for body in [
            "",
            "Alice",
            "Alice=",
            "alice=Init",
            "Alice=init",
            "Alice=Init&Alice=Stop",
            "Alice=%4",
            "Alice=%zz",
            "Bob=Init",
        ] {
            assert_eq!(refused(&post(body)), Status::BadRequest, "{body}");
        }
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(
            refused(&Request {
                path: "/x".into(),
                ..post("Alice=Init")
            }),
            Status::NotFound
        );
        assert_eq!(
            refused(&Request {
                method: Method::Other,
                ..post("")
            }),
            Status::MethodNotAllowed
        );
        assert_eq!(
            refused(&Request {
                framed: false,
                ..post("")
            }),
            Status::LengthRequired
        );
        assert_eq!(
            refused(&Request {
                content_type: Some("application/json".into()),
                ..post("{}")
            }),
            Status::UnsupportedMediaType
        );
        assert_eq!(
            Order::of(&Request {
                content_type: None,
                ..post("Alice=Start")
            })
            .wish,
            Wish::Press(Button::Start)
        );
    }

    #[test]
    fn only_bye_closes() {
        assert_eq!(
            Order::of(&post("Alice=Bye")).persistence,
            Persistence::Close
        );
        assert_eq!(
            Order::of(&post("Alice=Init")).persistence,
            Persistence::KeepAlive
        );
        assert_eq!(
            Order::of(&post("nonsense")).persistence,
            Persistence::KeepAlive
        );
    }
}
