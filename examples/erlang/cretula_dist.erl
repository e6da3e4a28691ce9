%% What a cluster of agents needs besides TLS distribution itself: who may be in it, where
%% revocations are looked up, and on which port a node is, without epmd. Runs in each
%% node; holds nothing.
-module(cretula_dist).
-behaviour(ssl_crl_cache_api).

-export([start/1]).
-export([verify/3]).
-export([lookup/3, select/2, fresh_crl/2]).
-export([start_link/0, register_node/2, register_node/3, port_please/2,
	 port_please/3, listen_port_please/2, address_please/3, names/1]).

-define(FETCH_MS, 3000).	% of a list: a handshake has 7 s
-define(CRL_MAX, 16#4000000).	% bytes
-define(ORGANIZATION, {2, 5, 4, 10}).
-define(AGAIN_MS, 1000).
-define(MISSING_MAX, 3).	% times that its files are not there

%% The node: says who is there, and tries those who are not.
%%	erl … -run cretula_dist start OPTFILE [NODE…]

start([Optfile | Peers]) ->
    _ = file:delete(Optfile),	% it was read
    spawn(fun() ->
		  ok = net_kernel:monitor_nodes(true),
		  self() ! try_again,
		  say("is", node()),
		  watch([list_to_atom(P) || P <- Peers, P =/= atom_to_list(node())],
			0)
	  end).

watch(Peers, Missing) ->
    receive
	{nodeup, Node} ->
	    say("up", Node),
	    watch(Peers, Missing);
	{nodedown, Node} ->
	    say("down", Node),
	    watch(Peers, Missing);
	try_again ->
	    erlang:send_after(?AGAIN_MS, self(), try_again),
	    case file:read_file_info(filename:join(os:getenv("CRETULA_DIR"),
						   "bundle.pem")) of
		{ok, _} ->
		    forget_files(),
		    [say("refused by", P) || P <- Peers -- nodes(),
					     net_kernel:connect_node(P) =/= true],
		    watch(Peers, 0);
		{error, _} when Missing < ?MISSING_MAX ->
		    watch(Peers, Missing + 1);	% the view is mounted anew?
		{error, _} ->	% the agent was revoked
		    say("ended", node()),
		    init:stop()
	    end
    end.

%% Renewal. What ssl has read of the distribution's files it looks at again only every
%% other minute, and ssl:clear_pem_cache/0 and its setting are not for these. Nodes connect
%% seldom, so that keeping them spares nothing.

forget_files() ->
    gen_server:call(ssl_pem_cache_dist, {unconditionally_clear_pem_cache, self()}).

say(What, Node) ->
    io:format("~s ~s~n", [What, Node]).

%% Who may be in it: holders of a certificate of that type (its O). That it is one of our
%% CA's, valid, not revoked and, for who connects, of that host, ssl has checked.

verify(_, {bad_cert, Reason}, _) ->
    {fail, Reason};
verify(_, {extension, _}, Type) ->
    {unknown, Type};
verify(_, valid, Type) ->
    {valid, Type};
verify(Cert, valid_peer, Type) ->
    {rdnSequence, Subject} = element(7, element(2, Cert)),
    case [V || {'AttributeTypeAndValue', ?ORGANIZATION, V} <- lists:append(Subject)] of
	[{_, Name}] ->
	    case unicode:characters_to_list(Name) of
		Type -> {valid, Type};
		Other -> {fail, {agent_of_type, Other}}
	    end;
	_ ->
	    {fail, not_an_agent}
    end.

%% Revocation lists, fetched for every handshake from where the certificate says: nodes
%% connect seldom, and what was revoked a moment ago is to be refused. While the CA does
%% not answer, the last list serves until it ends; without any nobody is let in. (OTP's
%% own ssl_crl_cache needs inets, and would keep a list until it ends in any case.)

lookup({'DistributionPoint', {fullName, Names}, _, _}, _Issuer, _) ->
    fetch_first([U || {uniformResourceIdentifier, "http://" ++ _ = U} <- Names]);
lookup(_, _, _) ->
    not_available.

select(_, _) ->
    [].

fresh_crl(_, Crl) ->
    Crl.

fetch_first([]) ->
    not_available;
fetch_first([Url | Rest]) ->
    try fetch(uri_string:parse(Url)) of
	Der ->
	    keep(Url, Der),
	    [Der]
    catch _:_ ->
	    case persistent_term:get({?MODULE, Url}, none) of
		none -> fetch_first(Rest);
		Der -> [Der]
	    end
    end.

keep(Url, Der) ->
    case persistent_term:get({?MODULE, Url}, none) of
	Der -> ok;
	_ -> persistent_term:put({?MODULE, Url}, Der)
    end.

fetch(#{host := Host, path := Path} = Url) ->
    {ok, S} = gen_tcp:connect(Host, maps:get(port, Url, 80),
			      [binary, {active, false}, {packet, http_bin}],
			      ?FETCH_MS),
    try
	ok = gen_tcp:send(S, ["GET ", Path, " HTTP/1.0\r\nHost: ", Host, "\r\n\r\n"]),
	{ok, {http_response, _, 200, _}} = gen_tcp:recv(S, 0, ?FETCH_MS),
	Size = size_of_body(S, none),
	true = Size =< ?CRL_MAX,
	ok = inet:setopts(S, [{packet, raw}]),
	{ok, Der} = gen_tcp:recv(S, Size, ?FETCH_MS),
	Der
    after
	gen_tcp:close(S)
    end.

size_of_body(S, Size) ->
    case gen_tcp:recv(S, 0, ?FETCH_MS) of
	{ok, {http_header, _, 'Content-Length', _, N}} ->
	    size_of_body(S, binary_to_integer(N));
	{ok, {http_header, _, _, _, _}} ->
	    size_of_body(S, Size);
	{ok, http_eoh} when is_integer(Size) ->
	    Size
    end.

%% In the place of epmd (-epmd_module): the digits at the end of a node's name are its
%% port. Nothing is asked, nobody can take another's name, and no daemon stays behind.

start_link() ->
    ignore.

register_node(Name, Port) ->
    register_node(Name, Port, inet).

register_node(_Name, _Port, _Family) ->
    {ok, rand:uniform(3)}.

port_please(Name, Host) ->
    port_please(Name, Host, infinity).

port_please(Name, _Host, _Timeout) ->
    case port_of(Name) of
	0 -> noport;
	Port -> {port, Port, 5}
    end.

listen_port_please(Name, _Host) ->
    {ok, port_of(Name)}.

address_please(_Name, Host, Family) ->
    inet:getaddr(Host, Family).

names(_Host) ->
    {error, address}.

port_of(Name) ->
    Text = if is_atom(Name) -> atom_to_list(Name);
	      true -> Name
	   end,
    case re:run(Text, "[0-9]+$", [{capture, first, list}]) of
	{match, [Digits]} -> list_to_integer(Digits);
	nomatch -> 0
    end.
