// Encrypts a plan (stdin) with panva's jose for JavaScript; prints the plan with the tokens in it.
import { readFileSync } from 'node:fs'
import * as jose from 'jose'

const plan = JSON.parse(readFileSync(0, 'utf8'))
const jwks = Object.fromEntries([...plan.keys, ...plan.others].map((k) => [k.kid, k]))

// Web Crypto binds a key to one alg: import it anew for each use, and only its public half.
const key = (kid, alg) => {
  const { kty, n, e, crv, x, y, k } = jwks[kid]
  return jose.importJWK(JSON.parse(JSON.stringify({ kty, n, e, crv, x, y, k })), alg)
}

for (const one of plan.cases) {
  const { protected: header, unprotected, aad, recipients } = one.request
  const plaintext = jose.base64url.decode(one.plaintext_b64u)
  try {
    let builder
    if (one.serialization === 'compact') {
      builder = new jose.CompactEncrypt(plaintext).setProtectedHeader(header)
      one.jwe = await builder.encrypt(await key(recipients[0].kid, header.alg))
      continue
    }
    const general = one.serialization === 'general'
    builder = general ? new jose.GeneralEncrypt(plaintext) : new jose.FlattenedEncrypt(plaintext)
    builder.setProtectedHeader(header)
    if (unprotected) builder.setSharedUnprotectedHeader(unprotected)
    if (aad) builder.setAdditionalAuthenticatedData(jose.base64url.decode(aad))
    if (general) {
      for (const r of recipients) {
        const to = builder.addRecipient(await key(r.kid, (r.header ?? header).alg))
        if (r.header) to.setUnprotectedHeader(r.header)
      }
      one.jwe = JSON.stringify(await builder.encrypt())
    } else {
      one.jwe = JSON.stringify(await builder.encrypt(await key(recipients[0].kid, header.alg)))
    }
  } catch (why) {
    if (!(why instanceof jose.errors.JOSENotSupported)) throw why
    console.error(`${one.id}: not with jose: ${why.message}`)
  }
}

const version = JSON.parse(readFileSync(new URL('node_modules/jose/package.json', import.meta.url))).version
plan.producer = `panva/jose ${version} (npm jose), Node.js ${process.version}`
process.stdout.write(JSON.stringify(plan))
