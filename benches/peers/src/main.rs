//! stub
mod peers;
fn main(){}
