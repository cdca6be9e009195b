//! The messages that calls and answers are made of, as the control plane has read them.

use crate::error::ConfigError;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Debug)]
pub struct Messages {
    messages: Vec<Message>,
    enums: Vec<Enum>,
}

#[derive(Debug)]
pub struct Message {
    /// Of proto3: what is not there has a default.
    pub has_defaults: bool,
    pub is_timestamp: bool,
    pub fields: Vec<Field>,
    by_name: HashMap<Box<[u8]>, usize>,
    by_number: HashMap<u32, usize>,
}

#[derive(Debug)]
pub struct Field {
    pub name: Box<str>,
    pub number: u32,
    pub kind: Kind,
    pub shape: Shape,
    /// The oneof that it belongs to.
    pub oneof: Option<Box<str>>,
    /// A zero is written too.
    pub is_explicit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Single,
    List {
        is_packed: bool,
    },
    /// Its keys are of this kind.
    Map(Scalar),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Scalar(Scalar),
    Message(usize),
    Enum(usize),
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Scalar {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
}

/// How a value stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

#[derive(Debug)]
pub struct Enum {
    by_name: HashMap<Box<[u8]>, i32>,
    by_number: HashMap<i32, Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMessage {
    name: String,
    #[serde(default)]
    defaults: bool,
    fields: Vec<RawField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    name: Box<str>,
    number: u32,
    scalar: Option<Scalar>,
    message: Option<usize>,
    #[serde(rename = "enum")]
    of_enum: Option<usize>,
    #[serde(default)]
    repeated: bool,
    #[serde(default)]
    packed: bool,
    key: Option<Scalar>,
    oneof: Option<Box<str>>,
    #[serde(default)]
    explicit: bool,
}

/// Names and numbers in the order in which they are declared.
#[derive(Deserialize)]
pub struct RawEnum(Vec<(Box<str>, i32)>);

impl Messages {
    pub fn parse(messages: Vec<RawMessage>, enums: Vec<RawEnum>) -> Result<Self, ConfigError> {
        let sizes = (messages.len(), enums.len());
        let messages = messages.into_iter().map(|raw| Message::parse(raw, sizes)).collect::<Result<_, _>>()?;
        Ok(Self { messages, enums: enums.into_iter().map(Enum::of).collect() })
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn message(&self, place: usize) -> Option<&Message> {
        self.messages.get(place)
    }

    pub fn of_enum(&self, place: usize) -> Option<&Enum> {
        self.enums.get(place)
    }
}

impl Message {
    fn parse(raw: RawMessage, sizes: (usize, usize)) -> Result<Self, ConfigError> {
        let is_timestamp = raw.name == "google.protobuf.Timestamp";
        let fields: Vec<Field> =
            raw.fields.into_iter().map(|raw| Field::parse(raw, sizes)).collect::<Result<_, _>>()?;
        let by_name = fields.iter().enumerate().map(|(place, field)| (field.name.as_bytes().into(), place)).collect();
        let by_number = fields.iter().enumerate().map(|(place, field)| (field.number, place)).collect();
        Ok(Self { has_defaults: raw.defaults, is_timestamp, fields, by_name, by_number })
    }

    pub fn field(&self, name: &[u8]) -> Option<&Field> {
        self.fields.get(*self.by_name.get(name)?)
    }

    /// Its place among the fields.
    pub fn numbered(&self, number: u32) -> Option<usize> {
        self.by_number.get(&number).copied()
    }
}

impl Field {
    fn parse(raw: RawField, (messages, enums): (usize, usize)) -> Result<Self, ConfigError> {
        let refuse = |reason: &str| ConfigError::Invalid(format!("field {}: {reason}", raw.name).into());
        let kind = match (raw.scalar, raw.message, raw.of_enum) {
            (Some(scalar), None, None) => Kind::Scalar(scalar),
            (None, Some(place), None) if place < messages => Kind::Message(place),
            (None, None, Some(place)) if place < enums => Kind::Enum(place),
            _ => return Err(refuse("it is of no type, of several, or of one that is not there")),
        };
        if !(1..1 << 29).contains(&raw.number) {
            return Err(refuse("its number is out of range"));
        }
        let shape = match (raw.repeated, raw.key) {
            (_, Some(key)) => Shape::Map(key),
            (true, None) => Shape::List { is_packed: raw.packed && kind.wire() != Wire::Bytes },
            (false, None) => Shape::Single,
        };
        let is_explicit = raw.explicit || raw.oneof.is_some();
        Ok(Self { name: raw.name, number: raw.number, kind, shape, oneof: raw.oneof, is_explicit })
    }
}

impl Kind {
    pub fn wire(self) -> Wire {
        match self {
            Self::Scalar(scalar) => scalar.wire(),
            Self::Message(_) => Wire::Bytes,
            Self::Enum(_) => Wire::Varint,
        }
    }
}

impl Scalar {
    pub fn wire(self) -> Wire {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => Wire::Fixed64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => Wire::Fixed32,
            Self::String | Self::Bytes => Wire::Bytes,
            _ => Wire::Varint,
        }
    }
}

impl Enum {
    /// Of several names for one number the first is told.
    fn of(raw: RawEnum) -> Self {
        let mut by_number = HashMap::new();
        for (name, number) in &raw.0 {
            by_number.entry(*number).or_insert_with(|| name.clone());
        }
        let by_name = raw.0.into_iter().map(|(name, number)| (name.as_bytes().into(), number)).collect();
        Self { by_name, by_number }
    }

    pub fn number(&self, name: &[u8]) -> Option<i32> {
        self.by_name.get(name).copied()
    }

    pub fn name(&self, number: i32) -> Option<&str> {
        self.by_number.get(&number).map(|name| &**name)
    }
}
