//! Why a body that was posted is refused.

/// Why a body is refused as a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("the body is not UTF-8")]
    NotUtf8,
    #[error("the body is JSON; in WeChat's console set the data format (数据格式) to XML")]
    Json,
    /// It isn't well-formed XML with one root, or is cut short.
    #[error("the body is not one well-formed XML document")]
    NotXml,
    /// It begins with a document type. WeChat sends none, and a document type can define entities for an attack.
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
    /// It is for the third-party platform (第三方平台) that accounts have authorised: its ticket, or an authorisation.
    #[error(
        "the body is for a third-party platform (open.weixin.qq.com), which this is not; give the platform another address"
    )]
    ThirdPartyPlatform,
    /// This element is missing, or its value isn't allowed.
    #[error("{0} is missing or invalid")]
    InvalidElement(&'static str),
}

impl MessageError {
    /// Whether a text that was copied into the body as a person wrote it can be the reason.
    pub fn may_come_from_a_text(self) -> bool {
        match self {
            Self::NotUtf8 | Self::NotXml | Self::UnknownEntity | Self::DuplicateElement | Self::TooComplex => true,
            Self::Json | Self::Doctype | Self::ThirdPartyPlatform | Self::InvalidElement(_) => false,
        }
    }
}
