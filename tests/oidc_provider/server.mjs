// An OpenID provider for tests, on loopback: whoever comes is signed in as `account` at once, and agrees to everything.
//
// Prints its address as one line of JSON. `POST /test` with JSON changes what is in `state`; `GET /test` tells how often each
// endpoint was asked.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Provider, errors } from "oidc-provider";

const state = { account: "ann", denies: false, accessTokenSeconds: 600, keys: 1, padding: 0 };
const asked = {};
const callbacks = process.argv.slice(2);

function jwk(number) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: `key-${number}`, use: "sig", alg: "RS256" };
}

function client(id, changes) {
  return {
    client_id: id,
    client_secret: `secret of ${id}: %+&=`,
    redirect_uris: callbacks,
    post_logout_redirect_uris: ["http://bye.test/", "https://www.example.com/"],
    grant_types: ["authorization_code", "refresh_token", "client_credentials", "password"],
    response_types: ["code"],
    token_endpoint_auth_method: "client_secret_basic",
    ...changes,
  };
}

function made(issuer, key) {
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [
      client("shop"),
      client("opaque", { token_endpoint_auth_method: "client_secret_post" }),
      client("public", { token_endpoint_auth_method: "none", client_secret: undefined, grant_types: ["authorization_code"] }),
    ],
    claims: { openid: ["sub"], email: ["email"], padding: ["padding"] },
    scopes: ["openid", "email", "padding", "orders", "offline_access"],
    conformIdTokenClaims: false,
    cookies: { keys: ["a key for tests"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@shop.test`, padding: "p".repeat(state.padding) }),
    }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx) => (ctx.oidc.client.clientId === "opaque" ? undefined : "urn:shop"),
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: "openid email orders", audience: "shop", accessTokenFormat: "jwt" }),
      },
    },
    issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
    rotateRefreshToken: () => true,
    extraTokenClaims: () => (state.padding > 0 ? { padding: "p".repeat(state.padding) } : undefined),
    pkce: { methods: ["S256"], required: () => false },
    responseModes: ["query", "form_post"],
    ttl: {
      AccessToken: () => state.accessTokenSeconds,
      ClientCredentials: () => state.accessTokenSeconds,
      Session: 3600,
      Interaction: 600,
      Grant: 3600,
      IdToken: 600,
      RefreshToken: 3600,
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  });
  provider.registerGrantType("password", (ctx) => withPassword(provider, ctx), ["username", "password", "scope"]);
  return provider;
}

async function withPassword(provider, ctx) {
  const { username, password } = ctx.oidc.params;
  if (password !== `password of ${username}`) throw new errors.InvalidGrant("wrong password");
  const token = new provider.AccessToken({
    accountId: username,
    client: ctx.oidc.client,
    grantId: "none",
    gty: "password",
    scope: ctx.oidc.params.scope,
    expiresWithSession: false,
  });
  token.resourceServer = new provider.ResourceServer("urn:shop", {
    scope: "openid orders",
    audience: "shop",
    accessTokenFormat: "jwt",
  });
  token.aud = "shop";
  ctx.body = { access_token: await token.save(), token_type: "Bearer", expires_in: state.accessTokenSeconds };
}

async function interaction(provider, request, response) {
  const details = await provider.interactionDetails(request, response);
  const { params, prompt, session } = details;
  if (state.denies) {
    return provider.interactionFinished(request, response, { error: "access_denied" });
  }
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: state.account } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addResourceScope("urn:shop", params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

async function read(request) {
  let body = "";
  for await (const piece of request) body += piece;
  return JSON.parse(body || "{}");
}

let provider;
const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://x");
  try {
    if (pathname === "/test") {
      const keys = state.keys;
      if (request.method === "POST") Object.assign(state, await read(request));
      if (state.keys !== keys) provider = made(provider.issuer, jwk(state.keys));
      response.end(JSON.stringify(asked));
    } else {
      asked[pathname] = (asked[pathname] ?? 0) + 1;
      if (pathname.startsWith("/interaction/")) await interaction(provider, request, response);
      else await provider.callback()(request, response);
    }
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
});
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  provider = made(url, jwk(state.keys));
  console.log(JSON.stringify({ url }));
});
