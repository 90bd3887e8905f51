//! Why a body that was posted is refused.

/// Why a body is refused as a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// It isn't well-formed XML with one root, or is cut short.
    #[error("the body is not one well-formed XML document")]
    NotXml,
    /// It has a document type. WeChat sends none, and a document type can define entities for an attack.
    #[error("the body has a document type")]
    Doctype,
    #[error("the body refers to an entity that XML doesn't predefine")]
    UnknownEntity,
    /// A child of the root occurs twice. Two readers could choose different ones.
    #[error("the body has an element twice")]
    DuplicateElement,
    /// It has more than 512 elements, or more than 8 levels of elements.
    #[error("the body has more than 512 elements or more than 8 levels")]
    TooComplex,
    /// This element is missing, or its value isn't allowed.
    #[error("{0} is missing or invalid")]
    InvalidElement(&'static str),
}
