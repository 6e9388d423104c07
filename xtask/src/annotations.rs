//! The table of the annotations in both READMEs, from their declarations.

mod chinese;

use std::fmt::Write;

use anyhow::{Context, Result};
use my_cloud_controller_manager::plan::annotation::{ALL, About, Needs, WhenAbsent, WhenChanged};

const BEGIN: &str = "<!-- written by make annotations -->\n";
const END: &str = "<!-- end -->\n";

/// The language of a README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Chinese,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The README in this language.
    pub fn readme(self) -> &'static str {
        self.of("README.md", "README.zh-CN.md")
    }

    fn of<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

/// The README with the table between its two comments.
pub fn in_readme(readme: &str, language: Language) -> Result<String> {
    let (before, rest) = readme
        .split_once(BEGIN)
        .context("no comment that begins the table")?;
    let (_, after) = rest
        .split_once(END)
        .context("no comment that ends the table")?;
    let table = table(language)?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

fn table(language: Language) -> Result<String> {
    let header = language.of(
        "| annotation | meaning | value | default | effect of a change | needs of the cloud |",
        "| 注解 | 含义 | 值 | 默认值 | 修改的效果 | 对云的要求 |",
    );
    let mut table = format!("{header}\n|---|---|---|---|---|---|\n");
    for about in ALL {
        writeln!(table, "{}", row(about, language)?)?;
    }
    Ok(table)
}

fn row(about: &About, language: Language) -> Result<String> {
    let About {
        name,
        help,
        rule,
        example: _,
        when_absent,
        when_changed,
        per_port,
        needs,
    } = about;
    let mut translated = chinese::ALL.iter();
    let translated = translated
        .find(|texts| texts.name == *name)
        .with_context(|| format!("no Chinese texts of the annotation {name}"))?;
    let help = language.of(*help, translated.help);
    let rule = language.of(*rule, translated.rule);
    let default = match when_absent {
        WhenAbsent::Invalid => language.of("required", "必填").to_owned(),
        WhenAbsent::Value(value) => format!("`{value}`"),
        WhenAbsent::Means(meaning) => language.of(*meaning, translated.default).to_owned(),
    };
    let effect = effect(*when_changed, language);
    let needs = needs_in_words(*needs, language);
    let also = language.of(", per port too", "，也可按端口");
    let names = match per_port {
        true => format!("`{name}`{also}"),
        false => format!("`{name}`"),
    };
    Ok(format!(
        "| {names} | {help} | {rule} | {default} | {effect} | {needs} |"
    ))
}

fn effect(when_changed: WhenChanged, language: Language) -> &'static str {
    let (english, chinese) = match when_changed {
        WhenChanged::Switches => (
            "the load balancers are created or deleted",
            "创建或删除负载均衡器",
        ),
        WhenChanged::Moves => (
            "the load balancer moves: the new one is published before the old one is deleted",
            "迁移：先发布新的负载均衡器，再删除旧的",
        ),
        WhenChanged::Updates => ("updated in place", "就地更新"),
        WhenChanged::Refused => (
            "refused: the load balancer stays as it was created",
            "拒绝：负载均衡器保持创建时的样子",
        ),
        WhenChanged::Pauses => (
            "nothing changes any more, or all that has changed meanwhile is carried out",
            "不再有任何变化，或执行其间积累的全部变化",
        ),
        WhenChanged::CountsAtTheEnd => ("none before the end", "结束之前没有影响"),
        WhenChanged::Restored => ("none: the controller writes it", "无：由控制器写入"),
    };
    language.of(english, chinese)
}

fn needs_in_words(needs: Needs, language: Language) -> String {
    match needs {
        Needs::Nothing => String::new(),
        Needs::Value => language.of("the value", "支持该值").to_owned(),
        Needs::Feature(feature) => format!("`{}`", feature.as_str()),
        Needs::FeatureUnlessDefault(feature) => {
            let unless = language.of(", unless it is the default", "，默认值除外");
            format!("`{}`{unless}", feature.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_annotation_has_its_chinese_texts_and_no_text_is_left_over() {
        let declared = ALL.map(|about| about.name);
        assert_eq!(chinese::ALL.map(|texts| texts.name), declared);
        for (about, texts) in ALL.iter().zip(&chinese::ALL) {
            let has_default =
                matches!(about.when_absent, WhenAbsent::Means(meaning) if !meaning.is_empty());
            assert_eq!(!texts.default.is_empty(), has_default, "{}", about.name);
        }
    }
}
