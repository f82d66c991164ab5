-- SPDX-License-Identifier: Apache-2.0
-- wrk: posts one body, and counts answers that are not 200.
wrk.method = "POST"
wrk.body = io.open(os.getenv("JWEKMS_LOAD_BODY")):read("a")
wrk.headers["Content-Type"] = "application/json"
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() bad = 0 end
function response(status) if status ~= 200 then bad = bad + 1 end end
function done(summary, latency)
  local bad_answers = 0
  for _, thread in ipairs(threads) do bad_answers = bad_answers + thread:get("bad") end
  local e = summary.errors
  io.write(string.format("result %d %d %d %d\n", summary.requests,
    bad_answers + e.connect + e.read + e.write + e.timeout, summary.duration, latency:percentile(99)))
end
