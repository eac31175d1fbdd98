//! How a page of the app gets a fresh token from the page that embeds it, where the platform has a way.

/// A platform's way, in the words of the helper script (`src/gateway/embed/embed.js`).
#[derive(Debug)]
pub struct Bridge {
    /// The platform's own script, if its way needs one. The connect page loads it; an app's page does so itself.
    pub sdk: Option<&'static str>,
    /// The `<meta>` in which that script looks for the app's id.
    pub app_meta: Option<&'static str>,
    /// A JavaScript object literal. Either `get()`, which gives a promise of the token; or, where windows talk by messages,
    /// `ask(id)`, which is the question, and `read(message, id)`: `false` if the message is neither a token nor the answer to
    /// the question with this id, else the token, or nothing where it is refused.
    pub script: &'static str,
}

/// A call of the platform's own script.
const fn call(sdk: &'static str, script: &'static str) -> Bridge {
    Bridge { sdk: Some(sdk), app_meta: None, script }
}

/// Assembly's messages, as `@assembly-js/app-bridge` 1.1 has them. It also sends new tokens unasked.
pub(super) const ASSEMBLY: Bridge = Bridge {
    sdk: None,
    app_meta: None,
    script: "{ask:requestId=>({type:'sessionToken.refresh.request',requestId}),\
        read:(m,id)=>/^sessionToken\\.(update|refresh\\.response)$/.test(m.type)&&(m.requestId??id)==id&&m.data?.token}",
};

/// Shopify App Bridge (shopify.dev, "ID token"): it reads the client id from the page.
pub(super) const SHOPIFY: Bridge = Bridge {
    sdk: Some("https://cdn.shopify.com/shopifycloud/app-bridge.js"),
    app_meta: Some("shopify-api-key"),
    script: "{get:()=>shopify.idToken()}",
};

/// Atlassian Connect (developer.atlassian.com, "Context"): a token that is bound to no request, for scripts.
pub(super) const ATLASSIAN: Bridge =
    call("https://connect-cdn.atl-paas.net/all.js", "{get:()=>new Promise(done=>AP.context.getToken(done))}");

/// monday.com's `monday-sdk-js`.
pub(super) const MONDAY: Bridge = call(
    "https://cdn.jsdelivr.net/npm/monday-sdk-js/dist/main.js",
    "{get:async()=>(await mondaySdk().get('sessionToken')).data}",
);

/// Pipedrive's `@pipedrive/app-extensions-sdk`.
pub(super) const PIPEDRIVE: Bridge = call(
    "https://cdn.jsdelivr.net/npm/@pipedrive/app-extensions-sdk@0/dist/index.umd.js",
    "{get:async()=>(await(await new AppExtensionsSDK().initialize())\
        .execute(AppExtensionsSDK.Command.GET_SIGNED_TOKEN)).token}",
);

/// Zoom Apps SDK, `getAppContext`.
pub(super) const ZOOM: Bridge = call(
    "https://appssdk.zoom.us/sdk.js",
    "{get:async()=>{await zoomSdk.config({capabilities:['getAppContext']});\
        return(await zoomSdk.getAppContext()).context}}",
);

/// Microsoft's `@microsoft/teams-js`, version 2.
pub(super) const TEAMS: Bridge = call(
    "https://res.cdn.office.net/teams-js/2.32.0/js/MicrosoftTeams.min.js",
    "{get:async()=>{await microsoftTeams.app.initialize();return microsoftTeams.authentication.getAuthToken()}}",
);

/// Telegram (core.telegram.org/bots/webapps): the data of the launch, which stays the same while the app is open.
pub(super) const TELEGRAM: Bridge =
    call("https://telegram.org/js/telegram-web-app.js", "{get:async()=>Telegram.WebApp.initData}");

/// Miro Web SDK 2, `getIdToken`.
pub(super) const MIRO: Bridge = call("https://miro.com/app/static/sdk/v2/miro.js", "{get:()=>miro.board.getIdToken()}");

/// HighLevel's message for the user's context.
pub(super) const HIGHLEVEL: Bridge = Bridge {
    sdk: None,
    app_meta: None,
    script: "{ask:()=>({message:'REQUEST_USER_DATA'}),read:m=>m.message=='REQUEST_USER_DATA_RESPONSE'&&m.payload}",
};
