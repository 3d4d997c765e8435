//! The pages that visitors see.

use std::fmt::Write as _;

use crate::alice::State;
use crate::http::{BadRequest, Response, Status};

/// The form, with the buttons that make sense in `state`.
pub(crate) fn form(state: State) -> Response {
    let mut buttons = String::new();
    for button in state.buttons() {
        let label = button.label();
        // Writing to a String cannot fail.
        let _ = writeln!(
            buttons,
            "<button type=\"submit\" name=\"Alice\" value=\"{label}\">{label}</button>"
        );
    }
    let body = format!(
        "<p>{}</p>\n<form method=\"post\" action=\"/\">\n{buttons}</form>",
        state.description()
    );
    Response {
        status: Status::Ok,
        allow: None,
        page: page("Alice", &body),
    }
}

/// The last words.
pub(crate) fn bye() -> Response {
    Response {
        status: Status::Ok,
        allow: None,
        page: page("Alice", "<p>Good-bye!</p>"),
    }
}

/// What a visitor is told whose request cannot be met.
pub(crate) fn refusal(error: BadRequest) -> Response {
    // `why` is text of ours: nothing that a visitor sent comes back in a page.
    let body = format!("<p>{}.</p>", error.why);
    let allow = (error.status == Status::MethodNotAllowed).then_some("GET, HEAD, POST");
    Response {
        status: error.status,
        allow,
        page: page(&error.status.to_string(), &body),
    }
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )
}

/// The labels of the buttons on a page, in their order.
#[cfg(test)]
pub(crate) fn labels(page: &str) -> Vec<&str> {
    page.split("name=\"Alice\" value=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}
