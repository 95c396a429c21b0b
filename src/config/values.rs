//! Values as they were written, each with the place it came from, and how they are read.

use super::settings::{Kind, Setting, TABLE, find};
use kit::protocol::error::nearest;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table of settings.
    Default,
    /// A configuration file.
    File(String),
    /// A variable of the environment.
    Environment(String),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// What is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// A value that is none of its setting's.
    #[error("{name} = \"{value}\" ({origin}): must be {allowed}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What was written.
        value: String,
        /// Where.
        origin: Source,
        /// What may be written.
        allowed: String,
    },
    /// A name in the file that is no setting.
    #[error("file {path}: unknown setting `{name}`{hint}")]
    Unknown {
        /// The file.
        path: String,
        /// The name.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// A file that is no TOML, or whose values have no form for a setting.
    #[error("file {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

/// What a setting measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// A number, or bytes.
    Count(usize),
    /// A time; zero for never.
    Time(Duration),
}

/// The values in force, one for every setting of the table.
#[derive(Clone, Debug)]
pub struct Values(BTreeMap<&'static str, (String, Source)>);

impl Values {
    /// Every setting at its default.
    pub fn defaults() -> Self {
        Self(TABLE.iter().map(|setting| (setting.name, (setting.default.to_owned(), Source::Default))).collect())
    }

    /// Takes over what a TOML file says.
    ///
    /// # Errors
    /// A name that is no setting, or no TOML.
    pub fn merge_toml(&mut self, path: &str, content: &str) -> Result<(), SettingError> {
        let file_error = |why: String| SettingError::File { path: path.to_owned(), why };
        let table: toml::Table = content.parse().map_err(|error: toml::de::Error| file_error(error.to_string()))?;
        for (name, value) in table {
            let path = match line_of(content, &name) {
                Some(line) => format!("{path}, line {line}"),
                None => path.to_owned(),
            };
            let file_error = |why: String| SettingError::File { path: path.clone(), why };
            if value.is_table() {
                let why =
                    format!("`{name}` is a table; settings stand in the file by themselves, one `name = value` a line");
                return Err(file_error(why));
            }
            let Some(setting) = find(&name) else {
                let hint = nearest(&name, TABLE.iter().map(|setting| setting.name))
                    .map(|nearest| format!("; did you mean `{nearest}`?"))
                    .unwrap_or_default();
                return Err(SettingError::Unknown { path, name, hint });
            };
            let text = plain(&value)
                .ok_or_else(|| file_error(format!("{name} must be {}, not a table", setting.kind.allowed())))?;
            self.0.insert(setting.name, (text, Source::File(path)));
        }
        Ok(())
    }

    /// Takes over what the environment says. Variables that are no setting are left alone: some are the client's.
    pub fn merge_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let variables: BTreeMap<String, String> = variables.into_iter().collect();
        for setting in TABLE {
            let own = setting.variable();
            if let Some(value) = variables.get(&own) {
                self.0.insert(setting.name, (value.clone(), Source::Environment(own)));
            } else if let Some(old) = setting.old_variable
                && let Some(value) = variables.get(old)
            {
                let value = if old == "CPAN_BRIDGE_DEBUG" { level_of_debug(value) } else { value.clone() };
                self.0.insert(setting.name, (value, Source::Environment(old.to_owned())));
            }
        }
    }

    /// Takes over a flag.
    pub fn set_flag(&mut self, name: &'static str, value: String) {
        let flag = find(name).map(Setting::flag).unwrap_or_default();
        self.0.insert(name, (value, Source::Flag(format!("--{flag}"))));
    }

    /// Every setting with its value and where that came from.
    pub fn in_force(&self) -> Vec<(&'static str, String, String)> {
        TABLE
            .iter()
            .filter_map(|setting| self.0.get(setting.name).map(|(v, s)| (setting.name, v.clone(), s.to_string())))
            .collect()
    }

    /// What a setting measures, if it is a number, a size or a duration.
    pub fn measure(&self, name: &'static str) -> Option<Measure> {
        match find(name)?.kind {
            Kind::Count(..) => self.count(name).ok().map(Measure::Count),
            Kind::Size(..) => self.size(name).ok().map(Measure::Count),
            Kind::Duration => self.optional_duration(name).ok().map(|time| Measure::Time(time.unwrap_or_default())),
            _ => None,
        }
    }

    /// Whether somebody has set it: it is not merely at its default.
    pub fn is_given(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|(_, source)| *source != Source::Default)
    }

    /// An error about the present value of a setting.
    pub fn error(&self, name: &'static str, allowed: &str) -> SettingError {
        let (value, source) = self.0.get(name).cloned().unwrap_or_else(|| (String::new(), Source::Default));
        SettingError::Value { name, value, origin: source, allowed: allowed.to_owned() }
    }

    fn raw(&self, name: &'static str) -> &str {
        self.0.get(name).map_or("", |(value, _)| value.trim())
    }

    fn wrong(&self, name: &'static str) -> SettingError {
        let allowed = find(name).map_or_else(String::new, |setting| setting.kind.allowed());
        self.error(name, &allowed)
    }

    pub(super) fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    pub(super) fn text(&self, name: &'static str) -> Option<String> {
        Some(self.raw(name)).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        self.raw(name).split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn mode(&self, name: &'static str) -> Result<u32, SettingError> {
        let digits = self.raw(name).trim_start_matches("0o");
        u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777).ok_or_else(|| self.wrong(name))
    }

    pub(super) fn count(&self, name: &'static str) -> Result<usize, SettingError> {
        let Some(Setting { kind: Kind::Count(least, most), .. }) = find(name) else { return Err(self.wrong(name)) };
        let value = self.raw(name).replace('_', "").parse().ok();
        value.filter(|value| (*least..=*most).contains(value)).ok_or_else(|| self.wrong(name))
    }

    pub(super) fn size(&self, name: &'static str) -> Result<usize, SettingError> {
        let Some(Setting { kind: Kind::Size(least, most), .. }) = find(name) else { return Err(self.wrong(name)) };
        parse_size(self.raw(name)).filter(|size| (*least..=*most).contains(size)).ok_or_else(|| self.wrong(name))
    }

    pub(super) fn optional_duration(&self, name: &'static str) -> Result<Option<Duration>, SettingError> {
        let duration = parse_duration(self.raw(name)).ok_or_else(|| self.wrong(name))?;
        Ok(Some(duration).filter(|duration| !duration.is_zero()))
    }

    pub(super) fn choice(&self, name: &'static str) -> Result<&'static str, SettingError> {
        let Some(Setting { kind: Kind::Choice(words), .. }) = find(name) else { return Err(self.wrong(name)) };
        let value = self.raw(name);
        words.iter().find(|word| word.eq_ignore_ascii_case(value)).copied().ok_or_else(|| self.wrong(name))
    }

    pub(super) fn level(&self, name: &'static str) -> Result<slog::Level, SettingError> {
        Ok(match self.raw(name).to_ascii_lowercase().as_str() {
            "critical" => slog::Level::Critical,
            "error" => slog::Level::Error,
            "warning" | "warn" => slog::Level::Warning,
            "info" => slog::Level::Info,
            "debug" => slog::Level::Debug,
            "trace" => slog::Level::Trace,
            _ => return Err(self.wrong(name)),
        })
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool, SettingError> {
        match self.raw(name).to_ascii_lowercase().as_str() {
            "1" | "true" | "on" | "yes" => Ok(true),
            "" | "0" | "false" | "off" | "no" => Ok(false),
            _ => Err(self.wrong(name)),
        }
    }
}

/// The line of a TOML file that begins with a name, counted from one.
fn line_of(content: &str, name: &str) -> Option<usize> {
    let table = toml::de::DeTable::parse(content).ok()?;
    let (key, _) = table.get_ref().iter().find(|(key, _)| key.get_ref().as_ref() == name)?;
    Some(content.get(..key.span().start)?.matches('\n').count() + 1)
}

/// A TOML value as one would write it in the environment.
fn plain(value: &toml::Value) -> Option<String> {
    Some(match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Array(items) => items.iter().map(plain).collect::<Option<Vec<_>>>()?.join(","),
        toml::Value::Datetime(_) | toml::Value::Table(_) => return None,
    })
}

fn level_of_debug(value: &str) -> String {
    match value.trim() {
        "" | "0" => "info".to_owned(),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => "debug".to_owned(),
        other => other.to_owned(),
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    (text[..end].trim(), &text[end..])
}

/// Seconds, or a number with one of the units ms, s, m, min, h, d; `off` is zero.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;
    if matches!(text.to_ascii_lowercase().as_str(), "off" | "never" | "none") {
        return Some(Duration::ZERO);
    }
    let (number, unit) = split_unit(text);
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => 1.0,
        "ms" => 0.001,
        "us" => 0.000_001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    if (0.0..=LONGEST).contains(&seconds) { Duration::try_from_secs_f64(seconds).ok() } else { None }
}

/// Bytes, or a number with one of the units B, k, KiB, M, MiB, G, GiB (powers of 1024) or kB, MB, GB (powers of 1000).
pub(super) fn parse_size(text: &str) -> Option<usize> {
    let (number, unit) = split_unit(text);
    let unit: u64 = match unit {
        "" | "B" => 1,
        "k" | "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    let bytes = match number.replace('_', "").parse::<u64>() {
        Ok(whole) => whole.checked_mul(unit)?,
        Err(_) => {
            let bytes = number.parse::<f64>().ok()? * unit as f64;
            if (0.0..1e15).contains(&bytes) { bytes as u64 } else { return None }
        }
    };
    usize::try_from(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("90", 90_000),
            ("0.5", 500),
            ("90s", 90_000),
            ("15m", 900_000),
            ("250ms", 250),
            ("2000us", 2),
            ("1h", 3_600_000),
            ("off", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "s", "-1", "1x", "1e400", "nan", "inf", "1 2"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("1024", 1024), ("16MiB", 16 << 20), ("64k", 65_536), ("1.5M", 3 << 19), ("10MB", 10_000_000)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for wrong in ["", "MiB", "-1", "16MX", "99999999999999999999G"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
