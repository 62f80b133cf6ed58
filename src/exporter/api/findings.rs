//! `/api/v1/findings`: what is wrong, in the very words of `scan`.

use serde::Serialize;

use super::page::{Page, PageQuery, judged_at, to_json};
use super::problem::Problem;
use super::query::{Parameter, Query};
use super::{Endpoint, Prepared};
use crate::model::{Finding, FindingKey, Published, TimestampMs};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    path: "/api/v1/findings",
    parameters: &[
        Parameter::several("bucket"),
        Parameter::several("check"),
        Parameter::several("severity"),
        Parameter::one("stream"),
        Parameter::several("resolution"),
        Parameter::one("block"),
        Parameter::one("min_time"),
        Parameter::one("max_time"),
        Parameter::one("limit"),
        Parameter::one("cursor"),
    ],
    prepare,
};

#[derive(Serialize)]
struct Findings<'a> {
    version: u32,
    at: Option<TimestampMs>,
    total: usize,
    next: Option<String>,
    findings: Vec<&'a Finding>,
}

fn prepare(query: &Query) -> Result<Prepared, Problem> {
    let page = PageQuery::of(query)?;
    let wanted = filter(query)?;
    Ok(Box::new(move |published| answer(published, page, &wanted)))
}

fn answer(
    published: &Published,
    page: PageQuery<FindingKey>,
    wanted: &dyn Fn(&Finding) -> bool,
) -> Result<Vec<u8>, Problem> {
    let all = &published.snapshot.findings;
    let total = all.iter().filter(|finding| wanted(finding)).count();
    let start = page.after.map_or(0, |after| all.partition_point(|finding| finding.key() <= after));
    let rest = all.iter().skip(start).filter(|finding| wanted(finding));
    let Page { items: findings, next } = Page::take(rest, page.limit, |finding| finding.key())?;
    to_json(&Findings { version: 1, at: judged_at(published), total, next, findings })
}

fn filter(query: &Query) -> Result<impl Fn(&Finding) -> bool + Send + use<>, Problem> {
    let (buckets, checks, severities) = (query.texts("bucket").to_vec(), query.checks()?.to_vec(), query.severities()?);
    let (resolutions, selector, block) = (query.resolutions()?, query.selector()?, query.block()?);
    let (min_time, max_time) = (query.time("min_time")?, query.time("max_time")?);
    Ok(move |finding: &Finding| {
        let subject = &finding.subject;
        let is_during = || match finding.interval {
            // what has no time of its own concerns none that can be asked for
            None => min_time.is_none() && max_time.is_none(),
            Some(interval) => {
                min_time.is_none_or(|min| interval.end > min) && max_time.is_none_or(|max| interval.start <= max)
            }
        };
        (buckets.is_empty() || buckets.iter().any(|bucket| **bucket == *subject.bucket))
            && (checks.is_empty() || checks.iter().any(|check| check == finding.check))
            && (severities.is_empty() || severities.contains(&finding.severity))
            && (resolutions.is_empty() || subject.resolution.is_some_and(|own| resolutions.contains(&own)))
            && block.as_ref().is_none_or(|range| subject.block.is_some_and(|own| range.contains(&own)))
            && is_during()
            && selector
                .as_ref()
                .is_none_or(|selector| subject.stream.as_deref().is_some_and(|labels| selector.matches(labels)))
    })
}
