// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include <array>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <ctime>

#include "common/wiped.hpp"
#include "tls.hpp"

namespace rest {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds linger_timeout{2};
constexpr std::size_t read_size = 16384;
/// What may wait to be parsed, beside a header: a part of a body, or what surrounds a chunk.
constexpr std::size_t unparsed_limit = 65536;

using Bytes = common::WipingAllocator<char>;
using RequestBody = http::basic_string_body<char, std::char_traits<char>, Bytes>;
using Parser = http::request_parser<RequestBody, Bytes>;

/// A body that is wiped after it was sent.
struct WipedBody {
  using value_type = jwekms::ServiceBody;
  static std::uint64_t size(const value_type& body) { return body.view().size(); }

  class writer {
   public:
    using const_buffers_type = net::const_buffer;
    template <bool IsRequest, class Fields>
    writer(const http::header<IsRequest, Fields>&, const value_type& body) : body_(body) {}
    void init(error_code& ec) { ec = {}; }
    boost::optional<std::pair<const_buffers_type, bool>> get(error_code& ec) {
      ec = {};
      return {{net::const_buffer(body_.view().data(), body_.view().size()), false}};
    }

   private:
    const value_type& body_;
  };
};
using Response = http::response<WipedBody>;

[[nodiscard]] std::string_view view(boost::string_view text) { return {text.data(), text.size()}; }

/// RFC 9110 §5.6.7.
[[nodiscard]] std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  (void)gmtime_r(&now, &utc);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

/// The answer to a request that cannot be read; none when nobody waits for one.
[[nodiscard]] std::optional<Reply> refusal_of(error_code ec) {
  if (ec == http::error::header_limit)
    return error_reply(431, "header_too_large", "the header is above the configured limit");
  if (ec == http::error::body_limit)
    return error_reply(413, "too_large", "the body is above the configured limit");
  if (ec == http::error::end_of_stream || ec == http::error::partial_message) return std::nullopt;
  if (ec.category() != make_error_code(http::error::bad_method).category()) return std::nullopt;
  return error_reply(400, "bad_request", "the request is not HTTP/1.1");
}

using Fields = http::basic_fields<Bytes>;

/// Whether where a body ends is beyond doubt. A proxy that took another view of it than we do would
/// let one client's bytes begin another's request (RFC 9112 §6.1, §6.3, §11.2).
[[nodiscard]] bool is_framed(const http::header<true, Fields>& request) {
  const std::size_t encodings = request.count(http::field::transfer_encoding);
  if (encodings > 0)
    return encodings == 1 && request.version() >= 11 &&
           beast::iequals(request[http::field::transfer_encoding], "chunked");
  return request.count(http::field::content_length) <= 1 &&
         request[http::field::content_length].find(',') == boost::string_view::npos;
}

template <class Stream>
class HttpConnection final : public Connection,
                             public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  static constexpr bool is_tls = !std::is_same_v<Stream, beast::tcp_stream>;

  template <class... Args>
  HttpConnection(Shared& shared, Connections& connections, std::shared_ptr<net::ssl::context> tls,
                 Args&&... args)
      : shared_(shared),
        connections_(connections),
        tls_(std::move(tls)),
        stream_(std::forward<Args>(args)...),
        buffer_(limits().max_header_bytes + unparsed_limit) {
    ++shared_.site.metrics().connections_open;
  }
  ~HttpConnection() override {
    --shared_.site.metrics().connections_open;
    connections_.remove(this);
  }

  void start() {
    net::dispatch(stream_.get_executor(), [self = self()] { self->begin(); });
  }
  void stop() override {
    net::post(stream_.get_executor(), [self = self()] {
      self->stopping_ = true;
      if (self->idle_) self->socket().close();
    });
  }

 private:
  [[nodiscard]] std::shared_ptr<HttpConnection> self() { return this->shared_from_this(); }
  [[nodiscard]] beast::tcp_stream& socket() { return beast::get_lowest_layer(stream_); }
  [[nodiscard]] const jwekms::ServerLimits& limits() const { return shared_.options.limits; }

  void begin() {
    error_code ec;
    const auto peer = socket().socket().remote_endpoint(ec);
    if (ec) return;
    remote_ = peer.address().to_string() + ' ' + std::to_string(peer.port());
    socket().socket().set_option(net::ip::tcp::no_delay(true), ec);
    if constexpr (is_tls) {
      socket().expires_after(limits().request_timeout);
      stream_.async_handshake(net::ssl::stream_base::server, [self = self()](error_code failed) {
        if (failed) return void(++self->shared_.site.metrics().tls_failures);
        self->subject_ = verified_subject(self->stream_.native_handle());
        self->await_request();
      });
    } else {
      await_request();
    }
  }

  /// Idle until the first byte of a request.
  void await_request() {
    if (stopping_) return finish();
    idle_ = true;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(limits().max_header_bytes));
    parser_->body_limit(limits().max_body_bytes);
    if (buffer_.size() > 0) return read_header();
    // Gives the memory back, wiped: it held the last request.
    buffer_.shrink_to_fit();
    socket().expires_after(limits().idle_timeout);
    stream_.async_read_some(buffer_.prepare(read_size),
                            [self = self()](error_code ec, std::size_t size) {
                              if (ec) return self->lost(ec);
                              self->buffer_.commit(size);
                              self->read_header();
                            });
  }

  /// One deadline for the whole request, so that a trickle is no way to stay.
  void read_header() {
    idle_ = false;
    begin_ = std::chrono::steady_clock::now();
    socket().expires_after(limits().request_timeout);
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = self()](error_code ec, std::size_t) {
                              if (ec) return self->unreadable(ec);
                              self->admit();
                            });
  }

  void admit() {
    const auto& request = parser_->get();
    if ((request.version() >= 11 && request.count(http::field::host) != 1) ||
        request.count(http::field::authorization) > 1)
      return respond_and_close(
          error_reply(400, "bad_request", "one Host header, and one Authorization at most"));
    if (!is_framed(request))
      return respond_and_close(
          error_reply(400, "bad_request", "one Content-Length, or chunked and nothing else"));
    Site::Admission admission = shared_.site.admit(head());
    if (admission.answer) {
      admission.answer->close = admission.answer->close || !parser_->is_done();
      return respond(*std::move(admission.answer));
    }
    principal_ = std::move(admission.principal);
    if (beast::iequals(request[http::field::expect], "100-continue")) return send_continue();
    read_body();
  }

  void send_continue() {
    continue_ = {http::status::continue_, 11};
    http::async_write(stream_, continue_, [self = self()](error_code ec, std::size_t) {
      if (ec) return self->lost(ec);
      self->read_body();
    });
  }

  void read_body() {
    http::async_read(stream_, buffer_, *parser_, [self = self()](error_code ec, std::size_t) {
      if (ec) return self->unreadable(ec);
      self->hand_over();
    });
  }

  /// To a worker and back.
  void hand_over() {
    ++shared_.site.metrics().requests_in_flight;
    net::post(shared_.workers, [self = self()] {
      Reply reply = self->shared_.site.serve(self->head(), self->principal_,
                                             self->parser_->get().body(), self->begin_);
      net::post(self->stream_.get_executor(), [self, reply = std::move(reply)]() mutable {
        --self->shared_.site.metrics().requests_in_flight;
        self->respond(std::move(reply));
      });
    });
  }

  [[nodiscard]] Head head() const {
    const auto& request = parser_->get();
    const bool with_authorization = request.count(http::field::authorization) > 0;
    return {.method = is_head() ? "GET" : view(request.method_string()),
            .target = origin_form(view(request.target())),
            .authorization = with_authorization
                                 ? std::optional(view(request[http::field::authorization]))
                                 : std::nullopt,
            .content_type = view(request[http::field::content_type]),
            .has_body = parser_->chunked() || parser_->content_length().value_or(0) > 0,
            .has_origin = request.count(http::field::origin) > 0,
            .remote = remote_,
            .subject = subject_};
  }

  [[nodiscard]] bool is_head() const { return parser_->get().method() == http::verb::head; }

  void respond_and_close(Reply reply) {
    reply.close = true;
    respond(std::move(reply));
  }

  void respond(Reply reply) {
    const auto& request = parser_->get();
    const bool keep = !reply.close && !stopping_ && request.keep_alive();
    response_.emplace(static_cast<http::status>(reply.status), request.version());
    Response& response = *response_;
    response.set(http::field::content_type,
                 boost::string_view(reply.content_type.data(), reply.content_type.size()));
    response.set(http::field::date, http_date());
    response.set(http::field::cache_control, "no-store");
    response.set("X-Content-Type-Options", "nosniff");
    if (!reply.allow.empty()) response.set(http::field::allow, reply.allow);
    if (reply.challenge) response.set(http::field::www_authenticate, "Bearer");
    if (reply.retry_after_s > 0)
      response.set(http::field::retry_after, std::to_string(reply.retry_after_s));
    response.keep_alive(keep);
    response.body() = std::move(reply.body);
    response.prepare_payload();
    // RFC 9110 §9.3.2: the header of the answer to GET, and nothing that would be taken for the
    // next answer.
    if (is_head()) response.body() = {};
    socket().expires_after(limits().request_timeout);
    http::async_write(stream_, response, [self = self(), keep](error_code ec, std::size_t) {
      self->response_.reset();
      if (ec) return self->lost(ec);
      keep ? self->await_request() : self->finish();
    });
  }

  void unreadable(error_code ec) {
    std::optional<Reply> reply = refusal_of(ec);
    if (!reply) return lost(ec);
    ++shared_.site.metrics().malformed_requests;
    respond_and_close(*std::move(reply));
  }

  void lost(error_code ec) {
    if (ec == beast::error::timeout && !idle_) ++shared_.site.metrics().timed_out;
  }

  /// Says goodbye. What the client still sends is read for a moment and dropped: a socket closed on
  /// unread bytes is reset, and the answer may be lost with it.
  void finish() {
    idle_ = true;
    parser_.reset();
    socket().expires_after(linger_timeout);
    if constexpr (is_tls)
      stream_.async_shutdown([self = self()](error_code) { self->linger(); });
    else
      linger();
  }
  void linger() {
    error_code ec;
    socket().socket().shutdown(net::ip::tcp::socket::shutdown_send, ec);
    if (!ec) drop_bytes();
  }
  void drop_bytes() {
    buffer_.clear();
    socket().async_read_some(buffer_.prepare(read_size),
                             [self = self()](error_code ec, std::size_t) {
                               if (!ec) self->drop_bytes();
                             });
  }

  Shared& shared_;
  Connections& connections_;
  std::shared_ptr<net::ssl::context> tls_;
  Stream stream_;
  beast::basic_flat_buffer<Bytes> buffer_;
  std::optional<Parser> parser_;
  std::optional<Response> response_;
  http::response<http::empty_body> continue_;
  std::string remote_;
  std::string subject_;
  Principal principal_;
  std::chrono::steady_clock::time_point begin_;
  bool idle_ = true;  ///< Nothing would be lost if it ended now.
  bool stopping_ = false;
};

template <class Made>
void take_up(Connections& connections, const std::shared_ptr<Made>& connection) {
  connections.add(connection);
  connection->start();
}

}  // namespace

void serve_connection(Shared& shared, Connections& connections, net::ip::tcp::socket socket,
                      std::shared_ptr<net::ssl::context> tls) {
  ++shared.site.metrics().connections_accepted;
  if (!tls)
    return take_up(connections, std::make_shared<HttpConnection<beast::tcp_stream>>(
                                    shared, connections, nullptr, std::move(socket)));
  net::ssl::context& context = *tls;
  take_up(connections, std::make_shared<HttpConnection<net::ssl::stream<beast::tcp_stream>>>(
                           shared, connections, std::move(tls), std::move(socket), context));
}

}  // namespace rest
