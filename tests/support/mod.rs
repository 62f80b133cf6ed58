//! What the tests and benchmarks of whole scans share.

pub(crate) mod estate;
pub(crate) mod http_server;
pub(crate) mod mail_text;
pub(crate) mod memory;
pub(crate) mod notifications;
pub(crate) mod program;
pub(crate) mod s3_server;
pub(crate) mod served;
pub(crate) mod slack_server;
pub(crate) mod smtp_server;
