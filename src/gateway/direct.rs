//! A gateway to functions of this process.
//!
//! Enters: tools, each with its description and a function. Leaves: a [`ToolGateway`]. Refuses: two tools of one id.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    DescribeLevel, GatewayError, Json, ToolDescription, ToolExample, ToolGateway, ToolId,
    ToolSummary,
};
use crate::control::Control;

type Function = dyn Fn(&Json, &Control) -> Result<Json, GatewayError> + Send + Sync;

/// One tool, to be called in this process.
pub struct Tool {
    description: ToolDescription,
    tags: Vec<String>,
    examples: Vec<ToolExample>,
    function: Box<Function>,
}

impl Tool {
    /// A tool without schemas, tags and examples. `function` may be called from many threads at once, and looks at the
    /// control if it takes long.
    pub fn new(
        id: ToolId,
        summary: impl Into<String>,
        function: impl Fn(&Json, &Control) -> Result<Json, GatewayError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            description: ToolDescription {
                id,
                summary: summary.into(),
                input_schema: None,
                output_schema: None,
                notes: None,
            },
            tags: Vec::new(),
            examples: Vec::new(),
            function: Box::new(function),
        }
    }

    /// With the JSON Schema of its arguments, which describes and does not check.
    #[must_use]
    pub fn with_input_schema(mut self, schema: Json) -> Self {
        self.description.input_schema = Some(schema);
        self
    }

    /// With words to find it by.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// With what else is known of it.
    #[must_use]
    pub fn with_notes(mut self, notes: impl Into<String>) -> Self {
        self.description.notes = Some(notes.into());
        self
    }

    /// With examples.
    #[must_use]
    pub fn with_examples(mut self, examples: Vec<ToolExample>) -> Self {
        self.examples = examples;
        self
    }

    fn summary(&self) -> ToolSummary {
        ToolSummary {
            id: self.description.id.clone(),
            summary: self.description.summary.clone(),
            tags: self.tags.clone(),
        }
    }

    /// How well it fits lower-case words; 0 if one of them is nowhere.
    fn score(&self, words: &[String]) -> u32 {
        let id = self.description.id.as_str().to_lowercase();
        let summary = self.description.summary.to_lowercase();
        let of = |word: &String| {
            let tagged = self.tags.iter().any(|tag| tag.to_lowercase() == *word);
            4 * u32::from(id.contains(word.as_str()))
                + 2 * u32::from(tagged)
                + u32::from(summary.contains(word.as_str()))
        };
        let scores: Vec<u32> = words.iter().map(of).collect();
        match scores.contains(&0) {
            true => 0,
            false => scores.iter().sum(),
        }
    }
}

/// Tools of this process.
#[derive(Default)]
pub struct Direct {
    tools: BTreeMap<ToolId, Tool>,
}

/// Two tools have one id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are two tools {0}")]
pub struct DoubledTool(pub ToolId);

impl Direct {
    /// A gateway to these tools.
    ///
    /// # Errors
    /// [`DoubledTool`].
    pub fn new(tools: impl IntoIterator<Item = Tool>) -> Result<Self, DoubledTool> {
        let mut direct = Self::default();
        for tool in tools {
            let id = tool.description.id.clone();
            if direct.tools.insert(id.clone(), tool).is_some() {
                return Err(DoubledTool(id));
            }
        }
        Ok(direct)
    }

    fn tool(&self, id: &ToolId) -> Result<&Tool, GatewayError> {
        self.tools
            .get(id)
            .ok_or_else(|| GatewayError::not_found(id))
    }
}

impl ToolGateway for Direct {
    /// Every word of the query must be in a tool's id, tags or summary. Of equal fit, by id.
    fn search_tools(
        &self,
        query: &str,
        limit: u32,
        _: &Control,
    ) -> Result<Vec<ToolSummary>, GatewayError> {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let mut found: Vec<(u32, &Tool)> = self
            .tools
            .values()
            .map(|tool| (tool.score(&words), tool))
            .filter(|(score, _)| words.is_empty() || *score > 0)
            .collect();
        // A stable sort of what came by id.
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        Ok(found
            .into_iter()
            .take(limit as usize)
            .map(|(_, tool)| tool.summary())
            .collect())
    }

    fn list_namespaces(&self, _: &Control) -> Result<Vec<String>, GatewayError> {
        let names: BTreeSet<&str> = self.tools.keys().map(ToolId::namespace).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn describe_tool(
        &self,
        tool: &ToolId,
        level: DescribeLevel,
        _: &Control,
    ) -> Result<ToolDescription, GatewayError> {
        Ok(self.tool(tool)?.description.clone().at(level))
    }

    fn list_tool_examples(
        &self,
        tool: &ToolId,
        limit: u32,
        _: &Control,
    ) -> Result<Vec<ToolExample>, GatewayError> {
        let examples = &self.tool(tool)?.examples;
        Ok(examples.iter().take(limit as usize).cloned().collect())
    }

    fn run_tool(
        &self,
        tool: &ToolId,
        arguments: &Json,
        control: &Control,
    ) -> Result<Json, GatewayError> {
        (self.tool(tool)?.function)(arguments, control)
    }
}
