"""Words that a question is made of, in English and Portuguese; none of them names a product by itself.

Written by hand from what people ask of shops and libraries, not from any list of questions that a test asks.
"""

from __future__ import annotations


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


STOP = _words(
    # English
    "a about above after again all also although am an and any are as at be because been before being below between",
    "both but by can cannot cant could couldnt did didnt do does doesnt doing dont down during each either else etc",
    "ever every few for from further had has hasnt have havent having he hed hell her here hers herself hes him",
    "himself his how hows i id if ill im in into is isnt it its itself ive just let lets many may me might more",
    "most much must my myself neither no nor not now of off oh ok okay on once one only or other our ours out over",
    "own per s same she shed shes should shouldnt since so some still such t than that thats the their theirs them",
    "then there theres these they theyd theyll theyre theyve this those though through to too toward under until up",
    "upon us very via was wasnt we wed well were werent weve what whatever whats when whens where wheres whether",
    "which while who whom whos whose why whys will with within without wont would wouldnt yes yet you youd youll",
    "your youre yours youve",
    # Portuguese, without accents, as words are compared
    "ao aos aquela aquelas aquele aqueles aquilo ate com como d da das de dela delas dele deles depois desde dessa",
    "dessas desse desses desta destas deste destes disso disto dos e ela elas ele eles em entao entre era eram essa",
    "essas esse esses esta estao estar estas estava este estes estou eu foi foram ha isso isto ja la lhe lhes mais",
    "mas mesma mesmo meu meus minha minhas muita muitas muito muitos na nao nas nela nele nem nessa nesse nesta",
    "neste nos nossa nossas nosso nossos num numa o os ou para pela pelas pelo pelos por porem porque pra pro quais",
    "qual qualquer quando quanta quantas quanto quantos que quem se seja sem sendo ser sera seria seu seus sim sob",
    "sobre sou sua suas tal tambem tanto tao te tem temos tenho ter teu teve tinha toda todas todo todos tu tua um",
    "uma umas uns vai voce voces vos vou",
)
"""Function words: no evidence for or against a product, unless they are all that a question has, or are quoted."""

TALK = _words(
    # Asking, telling, courtesy
    "advice advise ah aha answer anybody anyone anything ask asking bye cheers clarify compare comparing comparison",
    "confirm curious describe description detail detailed details doubt eh enlighten entry everything exactly exist",
    "exists explain explanation fact facts feedback find forgot found gave give given gives go going gone good",
    "goodbye got hear heard hello help hey hi hm hmm huh idea info information interested introduce kind know known",
    "knows learn list listed listing lol look looked looking looks mean meaning means mention mentioned name named",
    "need needed needs nobody nothing oi oops opinion original originally otherwise overview please pls possible",
    "possibly provide question questions quick quickly read reading really recall recommend recommendation",
    "recommended recommends record remember remind request review reviews rumor rumour said saw say saying says",
    "search searching see seeing seem seems seen shall share short show showed shown shows simply somebody someone",
    "something sorry sort spec specification specifications specs suggest suggested summarise summarize summary",
    "sure talk talking tell tells thank thanks thing things think thinking thought thoughts told true truth try",
    "trying uh uhm understand use used useful user uses using wait wanna want wanted wants warn wonder wondering",
    "word words wow write writes writing written wrote yesterday",
    # Shops, owning, judging
    "amazing appropriate available awful bad basket best better big bought box brand break bring brings broke",
    "broken browse busy buy buyer buyers buying came care careful carry cart catalog catalogue category cheap",
    "cheaper choose color colors colour colours come comes comfortable considering contain contains contents cool",
    "cost costs customer customers deal decent decide deliver delivered delivery depth design designed designer",
    "difference different difficult dimension dimensions discontinued discount durable easily easy enough excellent",
    "expect expensive explained fair fan fast feature features feel feels fine fit fits fitting flea fragile free",
    "fun function functions genuine gift gifted gifts great guarantee guess handle handy happen happens hard heavy",
    "height high hold holds honest honestly huge include included includes indoor indoors inside invent invented",
    "item items keep keeps kept lack large last lasts launch launched length light like liked likely liking limited",
    "little long lost loud love loves low made maintain maintenance make maker makers makes making manual",
    "manufactured manufacturer manufacturers market material materials maximum measure measurement measurements",
    "measures minimum missing model money motor new newer nice noise noisy normal number offer offered offers old",
    "online open opened option options order ordered ordering outdoor outdoors outside pack package packaging page",
    "part parts pay perfect pick picked piece pieces place plan planning point popular power powerful praise",
    "praises praising present price priced prices pricey problem problems product products proper properly",
    "properties purchase purchased purpose put quality quiet range rate rated rather reason reasons receive",
    "received redesigned release released reliable replace replacement return returns robust run runs safe second",
    "secondhand sell seller selling sells send sent ship shipped shipping shop shopping size sized sizes slow small",
    "smell soft sold solid somewhere special stand start stock store stores strange stuff sturdy style suit",
    "suitable suited support supposed swear swears take taken takes technical test tested tiny title titles took",
    "top total track type types underrated unit units unusual version volume warranty waterproof watt watts way",
    "weigh weighs weight went wide width wish wishlist work worked working works worth worthwhile wrong",
    # Books and films
    "author authors chapter chapters character characters club ending genre hardback hardcover illustrated library",
    "novel pages paperback plot protagonist publish published publisher reader readers recent set setting spoiler",
    "spoilers stories story tale teenager teenagers theme themes",
    # People, places, times
    "adult adults afternoon ago always anniversary annual apartment arrive arrived arrives arriving aunt baby",
    "balcony batteries battery beginner beginners birthday boil boiling boss boy boyfriend boys brother camping",
    "charge charger child childhood children christmas city classroom cm colleague colleagues couple cousin dad",
    "date daughter daughters day days dollar dollars earlier early eight euro euros evening everybody everyday",
    "everyone expert experts family father fella first five flat folks four friend friends future girl girlfriend",
    "girls grab graduation gram grams grandfather grandma grandmother grandpa guy guys hand hands holiday holidays",
    "home hour hours house hundred husband inch inches itchy juice kg kid kids kilo kilos lady late lately later lb",
    "lbs leave leaves lend lent line lines link links liter liters litre litres live lives living man men meter",
    "meters metre metres minute minutes mm mom moment month months morning mother move moved mum near neighbor",
    "neighbors neighbour neighbours never newest newsletter next night nine office often oldest owned owner owns",
    "parents party people person planned plug private professional recipe refund room rooms school season seven",
    "shortly sister sit sits six sometimes son sons soon student students swap teacher ten third thousand three",
    "today toddler tomorrow tonight town travel travelling trip two uncle vacation walk wash washing wear week",
    "weekend weeks wife woman women world year years young",
    # Portuguese, without accents
    "acabei achar achei acho adorei agora ajuda ajudar algo alguem algum alguma algumas alguns aluno alunos amanha",
    "amiga amigas amigo amigos anda andar aniversario ano anos antes apartamento aqui assim aula autor autora",
    "avaliacao avo barato barulho base bateria baterias bem boa boas bom bonito bons cabe caixa capa capitulo",
    "capitulos cara caro carro casa caso catalogo categoria certeza certo chama chamada chamado chamados chegou",
    "chove chover chuva cidade coisa coisas combina compra comprando comprar comprei comprou conhece conhecem",
    "conhecer conheco conta contar conte contem continua cor cores cozinha crianca criancas cuida cuidar custa",
    "custam custar dados dar dava deixar deixo dentro descobrir desconto descreva descreve descrever descricao",
    "desculpa detalhada detalhe detalhes deve devo dia dias dica dicas diferenca diferente dificil dimensoes",
    "dinheiro disse diz dizem dizer dois duas durabilidade durar duravel edicao elogia elogiar elogiou encaixa",
    "encomenda encontra encontrar encontrei entender entendi entrega enviar escola escreve escreveu escrito",
    "escritor escritora especial especificacao especificacoes estoque estuda existe existem existir explica",
    "explicar explique fabricado fabricante faca facil faixa fala falam falar falaram fale falei faz fazer fechar",
    "feira feita feito feitos ferias fez fica ficar ficha filha filhas filho filhos fim final fiquei fora forte",
    "frio funciona funcionam funcionar ganhar ganhei ganhou garantia geral gosta gostam gostaria gostei gosto",
    "gostou grama gramas grande grandes historia hoje hora horas idade ideia igual importa indica indicacao",
    "indicado indicou informacao informacoes informar interessado interessante irma irmao irmas itens jeito lancado",
    "lancamento largura leitor leitores leitura ler leve li lida linha linhas litro litros livraria livro livros",
    "local loja lojas longe lugar lugares mae maior mal manda mandar marca materiais medida medidas medio melhor",
    "melhores menina menino menor menos mes meses metade mim modelo momento mostra mostrar mostre mulher mundo nada",
    "namorada namorado natal necessario ninguem noite noiva nome nova novas novo novos numero numeros nunca obra",
    "obrigada obrigado oferta ola onde ontem opcao opcoes opiniao ouvi ouvir pagar pagina paginas pai pais parar",
    "parece passa passar peca pecas pedido pedir pegar pena pensando pensei penso pequena pequeno perfeito pergunta",
    "perguntar personagem personagens pertence pesa pesam peso pessoa pessoas pilha pilhas pode podem poderia podia",
    "ponho ponto porta posso pouca pouco poucos praia precisa precisamos preciso preco precos presente presentear",
    "prima primeira primeiro primo problema procura procurando procurar procuro produto produtos professor",
    "professora projetada projetado projeto projetou pronto propaganda publicada publicado puder pudesse qualidade",
    "quase queira quer querem queria quero quintal quis raro razao realmente recebi recomenda recomendam recomendar",
    "recomendou relancado resenha resiste resistente responda resposta resume resumo romance sabe sabem saber sabia",
    "sao segunda segundo seguro sei semana semanas sempre senhor senhora serie serve servem servir significa",
    "simples sinopse situacao sobrinha sobrinho sogra sogro tamanho tamanhos tarde tecnica tecnicas tempo tenha",
    "tenham terminar teste testou tia tio tipo titulo titulos traduzido tras trata traz trazer tres trocar ultima",
    "ultimo unica unico usa usada usado usados usam usando usar uso util vale valem valer valor vamos varanda veio",
    "velha velho vem venda vende vendem vender ver verdade versao vez vezes viagem vida vir virar vizinha vizinho",
    "vizinhos volta voltagem vontade",
)
"""Words of talk: what a question says of a product or of its asker. Evidence only where they stand in the name."""

LINKS = _words("of the and de da do e")
"""Function words that also stand within a name: "The Garden of Orsk"."""

COLOURS = _words(
    "amarela amarelo azul bege beige black blue branca branco bronze brown burgundy charcoal chrome cinza copper",
    "coral cream crimson cyan dourada dourado fuchsia gold golden gray green grey indigo ivory khaki laranja",
    "lavender lilac lime magenta maroon marrom mint mustard navy olive orange peach pink plum prata prateado preta",
    "preto purple red rosa rose roxa roxo ruby sapphire scarlet silver tan taupe teal turquoise verde vermelha",
    "vermelho violet walnut white yellow",
)
"""Two products that differ in one of these are two products."""
