//! Pages of entities from `GET {base}/api/catalog/entities/by-query`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::entity::{Entity, FIELDS, WireEntity};
use super::listing::Listing;
use crate::core::record::Timestamp;

/// How a catalogue is asked.
#[derive(Clone, Debug)]
pub struct CatalogSettings {
    /// The backend, such as `https://backstage.example.net`.
    pub url: String,
    /// A static token of `backend.auth.externalAccess`; `None` sends none.
    pub token: Option<Token>,
    /// How long what it said holds.
    pub ttl: Duration,
    /// How long after a failure it is asked again.
    pub retry_after: Duration,
    /// How long one page may take.
    pub timeout: Duration,
    /// Entities of one page.
    pub page_entities: usize,
    /// Largest page, in bytes.
    pub page_bytes_max: usize,
    /// Most entities.
    pub entities_max: usize,
}

/// A bearer token; it is never shown.
#[derive(Clone)]
pub struct Token(HeaderValue);

/// Why a catalogue says nothing.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Its address is none.
    #[error(
        "{0:?} is no address of a Backstage backend; write it as https://backstage.example.net"
    )]
    Url(String),
    /// The token has characters that no header may have.
    #[error("the token of the catalogue is no bearer token")]
    Token,
    /// It cannot be reached, or is too slow.
    #[error("the catalogue cannot be reached: {0}")]
    Unreachable(String),
    /// It does not let us in.
    #[error("the catalogue answers {0}; give it a static token of backend.auth.externalAccess")]
    Refused(StatusCode),
    /// It answers with an error.
    #[error("the catalogue answers {0}")]
    Failed(StatusCode),
    /// A page is larger than allowed.
    #[error("a page of the catalogue has more than {0} bytes")]
    TooLarge(usize),
    /// A page is no page.
    #[error("a page of the catalogue cannot be read: {0}")]
    Malformed(String),
    /// It has more entities than allowed, or its pages have no end.
    #[error("the catalogue has more than {0} entities")]
    TooMany(usize),
}

/// A catalogue, and what it last said.
#[derive(Debug)]
pub struct Catalog {
    settings: CatalogSettings,
    endpoint: Url,
    client: Client,
    listing: Arc<Listing>,
    /// When it is asked again, and when that was decided.
    due: Option<(Timestamp, Timestamp)>,
}

/// A page as it comes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<WireEntity>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    #[serde(default)]
    next_cursor: Option<String>,
}

/// The kinds that may run somewhere, and those that own them. Sets of a filter are one or the other.
const FILTERS: [&str; 3] = ["kind=component", "kind=resource", "kind=group"];
const PATH: &str = "/api/catalog/entities/by-query";

impl CatalogSettings {
    /// Of the catalogue at `url`, with defaults.
    pub fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            token: None,
            ttl: Duration::from_secs(15 * 60),
            retry_after: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            page_entities: 200,
            page_bytes_max: 8 << 20,
            entities_max: 20_000,
        }
    }
}

impl Token {
    /// The token `text`, with space around it left out.
    ///
    /// # Errors
    /// It has characters that no header may have.
    pub fn new(text: &str) -> Result<Self, CatalogError> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
            .map_err(|_| CatalogError::Token)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Catalog {
    /// A catalogue that was not asked yet. `client` decides which addresses may be reached, and whether
    /// redirects are followed.
    ///
    /// # Errors
    /// `settings.url` is no web address, or has a secret in it.
    pub fn new(settings: CatalogSettings, client: Client) -> Result<Self, CatalogError> {
        let refused = || CatalogError::Url(settings.url.clone());
        let base = settings.url.trim_end_matches('/');
        let endpoint: Url = format!("{base}{PATH}").parse().map_err(|_| refused())?;
        let is_web = matches!(endpoint.scheme(), "http" | "https") && endpoint.has_host();
        let is_plain = endpoint.username().is_empty()
            && endpoint.password().is_none()
            && endpoint.query().is_none()
            && endpoint.fragment().is_none();
        if !is_web || !is_plain {
            // The address may have a password in it, which is not repeated.
            let shown = if is_plain {
                settings.url
            } else {
                "…".to_owned()
            };
            return Err(CatalogError::Url(shown));
        }
        Ok(Self {
            settings,
            endpoint,
            client,
            listing: Arc::default(),
            due: None,
        })
    }

    /// What it last said; nothing before it was asked.
    pub fn listing(&self) -> Arc<Listing> {
        Arc::clone(&self.listing)
    }

    /// Asks it again where what it said is too old at `now`. True where it said something new to us.
    ///
    /// # Errors
    /// It says nothing; what it said before holds.
    pub async fn refresh(&mut self, now: Timestamp) -> Result<bool, CatalogError> {
        // Where the clock was put back, nothing is due for ages, so that is no reason to wait.
        if self
            .due
            .is_some_and(|(due, decided)| now < due && now >= decided)
        {
            return Ok(false);
        }
        match self.fetch().await {
            Ok(listing) => {
                self.due = Some((now.plus(self.settings.ttl), now));
                let is_new = *self.listing != listing;
                self.listing = Arc::new(listing);
                Ok(is_new)
            }
            Err(error) => {
                self.due = Some((now.plus(self.settings.retry_after), now));
                Err(error)
            }
        }
    }

    /// Asks it for all components, resources and groups.
    ///
    /// # Errors
    /// Any page fails, or there are too many entities: part of a catalogue would look as if the rest were
    /// gone.
    pub async fn fetch(&self) -> Result<Listing, CatalogError> {
        let most = self.settings.entities_max;
        let pages_max = most / self.settings.page_entities.max(1) + 1;
        let mut entities = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..pages_max {
            let page = self.page(cursor.as_deref()).await?;
            entities.extend(page.items.into_iter().map(Entity::from));
            if entities.len() > most {
                break;
            }
            match page.page_info.next_cursor {
                None => return Ok(Listing::new(entities)),
                next => cursor = next,
            }
        }
        Err(CatalogError::TooMany(most))
    }

    async fn page(&self, cursor: Option<&str>) -> Result<Page, CatalogError> {
        let mut url = self.endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            match cursor {
                // A cursor stands for the filter, which would be ignored beside it, and for nothing else.
                Some(cursor) => {
                    query.append_pair("cursor", cursor);
                }
                None => {
                    query.extend_pairs(FILTERS.map(|filter| ("filter", filter)));
                }
            }
            query.append_pair("fields", FIELDS);
            query.append_pair("limit", &self.settings.page_entities.to_string());
        }
        let mut request = self.client.get(url).timeout(self.settings.timeout);
        if let Some(token) = &self.settings.token {
            request = request.header(AUTHORIZATION, token.0.clone());
        }
        let answer = request.send().await.map_err(unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(CatalogError::Refused(status));
            }
            status => return Err(CatalogError::Failed(status)),
        }
        let body = self.body(answer).await?;
        serde_json::from_slice(&body).map_err(|error| CatalogError::Malformed(error.to_string()))
    }

    async fn body(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, CatalogError> {
        let most = self.settings.page_bytes_max;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + piece.len() > most {
                return Err(CatalogError::TooLarge(most));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}

/// The error without the address, which has the cursor in it, and with what caused it.
fn unreachable(error: reqwest::Error) -> CatalogError {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let inner_told = inner.to_string();
        if !told.contains(&inner_told) {
            told = format!("{told}: {inner_told}");
        }
        cause = inner.source();
    }
    CatalogError::Unreachable(told)
}
