"""Words that a question is made of, in English and Portuguese; none of them names a product by itself.

Written by hand from what people ask of shops and libraries, not from any list of questions that a test asks.
"""

from __future__ import annotations


def _words(*texts: str) -> frozenset[str]:
    return frozenset(" ".join(texts).split())


STOP = _words(
    # English
    """a about above after again all also although am an and any are as at be because been before being below between
both but by can cannot cant could couldnt did didnt do does doesnt doing dont down during each either else etc ever
every few for from further had has hasnt have havent having he hed hell her here hers herself hes him himself his how
hows i id if ill im in into is isnt it its itself ive just let lets many may me might more most much must my myself
neither no nor not now of off oh ok okay on once one only or other our ours out over own per s same she shed shes should
shouldnt since so some still such t than that thats the their theirs them then there theres these they theyd theyll
theyre theyve this those though through to too toward under until up upon us very via was wasnt we wed well were werent
weve what whatever whats when whens where wheres whether which while who whom whos whose why whys will with within
without wont would wouldnt yes yet you youd youll your youre yours youve""",
    # Portuguese, without accents, as words are compared
    """ao aos aquela aquelas aquele aqueles aquilo ate com como d da das de dela delas dele deles depois desde dessa
dessas desse desses desta destas deste destes disso disto dos e ela elas ele eles em entao entre era eram essa essas
esse esses esta estao estar estas estava este estes estou eu foi foram ha isso isto ja la lhe lhes mais mas mesma mesmo
meu meus minha minhas muita muitas muito muitos na nao nas nela nele nem nessa nesse nesta neste nos nossa nossas nosso
nossos num numa o os ou para pela pelas pelo pelos por porem porque pra pro quais qual qualquer quando quanta quantas
quanto quantos que quem se seja sem sendo ser sera seria seu seus sim sob sobre sou sua suas tal tambem tanto tao te tem
temos tenho ter teu teve tinha toda todas todo todos tu tua um uma umas uns vai voce voces vos vou""",
)
"""Function words: no evidence for or against a product, unless they are all that a question has, or are quoted."""

FILLER = _words(
    # Asking, telling, courtesy
    """advice advise ah aha answer anybody anyone anything ask asking bye cheers clarify compare comparing comparison
confirm curious describe description detail detailed doubt eh enlighten entry everything exactly exist explain
explanation fact feedback find forgot found gave give given go going gone good goodbye got hear heard hello help hey hi
hm hmm huh idea info information interested introduce kind know known learn list listed listing lol look looked looking
mean meaning mention mentioned name named need needed nobody nothing oi oops opinion original originally otherwise
overview please pls possible possibly provide question quick quickly read reading really recall recommend recommendation
recommended record remember remind request review rumor rumour said saw say saying search searching see seeing seem seen
shall share short show showed shown simply somebody someone something sorry sort spec specification suggest suggested
summarise summarize summary sure talk talking tell thank thing think thinking thought told true truth try trying uh uhm
understand use used useful user using wait wanna want wanted warn wonder wondering word wow write writing written wrote
yesterday""",
    # Shops, owning, judging
    """able absolutely accept accurate actual actually afford agree alike allergic allow almost alone along already
alternative amazing annoying anymore anyway anywhere apparently appear appropriate article assemble assembled assembly
assume attach available average avoid awesome awful bad basic basically basket beautiful become begin behind believe
belong besides best better big bigger biggest bit bite bless bored boring borrow borrowed bother bought box brand break
brief briefly bright brilliant bring broke broken browse build built busy buy buyer buying call called came care careful
carries carry carrying cart catalog catalogue catch category caught cause certain certainly chance change changed cheap
cheaper check checked choose class classic clear clearly close closer cold collect collecting color colour come comfort
comfortable common complain complaint complete completely concern consider considering contain contents continue
convince cool copy correct cost count course cover crazy current currently customer cute damage damaged dark dead deal
dear decent decide deciding delicate delighted deliver delivered delivery depend depth deserve design designed designer
despite difference different difficult dimension direct dirty disappear disappointed discontinued discount discover
dishwasher display donate done draw drop dropped dry due durable easily easy edition effect effective effort elderly
empty end ended enjoy enjoyed enough ensure entire equal especially essential essentially evaluate eventually evidence
exact example excellent except excited excuse expect expensive experience explained fail failed failing fair fairly fall
familiar famous fan fancy fast favorite favourite fear feature feel figure fill final finally fine finish finished fit
fitting fix fixed flea flimsy follow following forever forget form forward fragile free freeze fresh front full fully
fun function furthermore gadget generally gentle genuine genuinely gift gifted great grow grown guarantee guess half
handle handy happen happened happy hard hate hated heavier heavily heavy height helpful high hint hit hold honest
honestly hope hopefully hoping huge hurry ideal imagine immediately import important impossible impressed improve
include included indeed indoor inside instead instruction intend intended interest interesting invent invented involve
issue item join joke judge judging jump justify keep keeping kept kick kidding knew lack large last lately launch
launched lazy leak learned length lesser lie light lighter like liked likely liking limited link literally little load
long lost lots loud louder love lovely low lower lucky mad made mail main mainly maintain maintenance majority make
maker making manage manual manufactured manufacturer market material matter mattered mature maximum maybe measure
measurement memory merely messy mind minimum missing mix model moderate modern money mostly motor moving narrow natural
naturally necessary nevertheless new newer nice noise noisy none normal noticed number obvious obviously odd offer
offered often old older ones online onto open opened operate opposite option order ordered ordering ordinary originated
others ought outdated outdoor outside overall overpriced pack package packaging packed page paid part partly pass past
pay perfect perhaps personally pick picked piece place plain plan planned planning play pleased pleasure plenty plus
point popular portable positive power powerful practical practice praise praising prefer pregnant prepare present pretty
prevent previous previously price priced pricey probably problem produce produced product promise promised proof proper
properly properties prove public pull purchase purchased purpose push put quality quiet quit quote random range rare
rarely rate rated rather react ready real realise reality reason reasonable receipt receive received reckon redesigned
reduce refer regarding regards regular regularly related release released relevant reliable rely remain remove rent
repair repaired replace replacement report require required rest restore result retired return rich rid right risk
robust rough roughly rule rumored run rush rusty sad safe safely safety sale satisfied save scared scratch scratches
second secondhand self sell seller selling send sense sent separate separately serious seriously serve service settle
several sharp ship shipped shipping shop shopping sick side sign silly similar simple single size sized skip slightly
slippery slow small smaller smart smell smooth soft sold solid solve somewhere sounds source special specific
specifically spend spent spoil staff stand standard start started starting status stay step stick sticky stock stop
stopped stopping store straight strange strong struggle stuck study stuff stupid sturdy style substitute subtitle
succeed sudden suddenly suit suitable suited sum supply support supposed surprise surprised swear switch take taken
technical terrible terribly test tested therefore thick thicker thin tight times tiny tired title together tomorrow tons
took top total tough track translate translated translation treat tricky trouble turn turned type typical ugly
ultimately unable unclear underrated unfortunately unhappy uniform unit unless unlike unusual update updated usage usual
usually valuable value variant various vary version view visit volume waited waiting walking warm warning warranty
washable waste watched waterproof watt way weak weigh weight weird welcome went whenever wherever whistle wide width
willing wise wish wishlist wonderful wore work worked working worried worry worse worst worth worthwhile wrap wrong yard
zero""",
    # Books and films
    """author chapter character club ending genre hardback hardcover illustrated library novel paperback plot
protagonist publish published publisher reader recent set setting spoiler stories story tale teenager theme""",
    # People, places, times
    """adult afternoon ago always anniversary annual apartment arrive arrived arriving aunt baby balcony batteries
battery beginner birthday boil boiling boss boy boyfriend brother camping charge charger child childhood children
christmas city classroom cm colleague couple cousin dad date daughter day dollar earlier early eight euro evening
everybody everyday everyone expert family father fella first five flat folks four friend future girl girlfriend grab
graduation gram grandfather grandma grandmother grandpa guy hand holiday home hour house hundred husband inch inches
itchy juice kg kid kilo lady late later lb leave lend lent line liter litre live living man men meter metre minute mm
mom moment month morning mother move moved mum near neighbor neighbour never newest newsletter next night nine office
oldest owned owner owns parents party people person plug private professional recipe refund room school season seven
shortly sister sit six sometimes son soon student swap teacher ten third thousand three today toddler tonight town
travel travelling trip two uncle vacation walk washing wear week weekend wife woman women world year young""",
    # Portuguese, without accents
    """abrir acabei aceita acha achado acham achar achei acho acreditar adorei adulto afinal agora aguenta ajuda ajudar
ajude alem algo algodao alguem algum alguma alguns aluguel aluno amanha amei amiga amigo amo anda andar aniversario ano
anotar antes apaixonada apaixonado apareceu apartamento apenas aprender apresenta apresentar apropriado aqui artigo
assim assistir assunto assustador atende atras atual atualmente aula autor autora avaliacao aviso avo baixo banheiro
barata barato barulho base basica basico bastante bateria bebe bem boa bolsa bom bonito bons breve brinde buscando
buscar busco cabe cabelo cada cai caiu caixa calor cama cansado capa capaz capitulo cara carga caro carrega carregador
carregar carro casa casal caso catalogo categoria cedo certeza certo chama chamada chamado chegou cheia cheio cheira
cheiro chove chover chuva chuveiro cidade cima classico cliente coisa colega colocar combina comeca comecar comentar
comentario comer comigo comparando comparar completa completo componentes composto compra comprando comprar comprei
comprou comum confiavel confirma confirmar confortavel conforto conhece conhecem conhecer conheco consegue conseguem
consegui conseguir conselho considerando conta contar conte contem conteudo contigo continua cor cores correta correto
couro cozinha cozinhar criado crianca cuida cuidado cuidar curiosa curioso curta curto custa custam custar custo dados
danificado dar dava decidir defeito deixar deixo demais demora demorou dentro depende descobrir desconto descreva
descreve descrever descricao desculpa desejo desenhado desenho desenhou detalhada detalhe devagar deve devo devolver
dezembro dia dica diferenca diferente dificil dimensoes dinheiro direito discutir disse divertido diz dizem dizer
documento doente dois duas durabilidade durante durar duravel edicao elegante elogia elogiar elogiou embalagem
emprestado emprestar emprestou encaixa encaixar encomenda encontra encontrar encontrei energia enfim engracado enorme
enquanto ensina entender entendi entrega entregam entregar enviar erro escola escolha escolher escreve escreveu escrito
escritor escritora espaco especial especialmente especificacao especificacoes espera esperar esposa esqueci estilo
estoque estragou estranho estreito estuda estudar exatamente exemplo existe existem existir experimentar explica
explicar explique fabricado fabricante faca facil faixa fala falam falar falaram fale falei falta faltando faltava
familia famoso favor faz fazer fecha fechado fechar feio feira feita feito feliz ferias ferro fez fica ficar ficha
figura filha filho fim fininho fino fiquei folga folha fora forte fraco fragil frase frente frio funciona funcionam
funcionar funcionava funcionou futuro ganha ganhar ganhei ganhou garantia gasta gastar gente geral geralmente gosta
gostam gostaria gostei gosto gostou grama grande grosso grupo guardar hein historia hoje hora idade ideia identificar
igual imagem importa importante inclui incluida incluido indica indicacao indicado indicou infantil informacao
informacoes informar inteira inteiro interessado interessante inverno irma irmao irmaozinho itens jamais jantar jardim
jeito jovem jovens juntos justo lado lancado lancamento largura lavar leitor leitores leitura lembra lembrar lembro ler
leva levar leve levo li lida liga ligar limpa limpar linha lista litro livraria livre livro local loja longe longo louco
lugar lugares madeira mae maior maioria mal manda mandar manha manutencao mao maquina marca marido materiais medida
medio melhor melhores menina menino menor menos mes mesa meses metade metro mim modelo momento mostra mostrar mostre
motivo mudar mudou mulher mundo nada namorada namorado naquela naquele nasceu natal necessario necessidade negocio neta
neto ninguem noite noiva nome normalmente noticia nova novo numero nunca obra obrigada obrigado oferta oficial ola onde
onibus ontem opcao opcoes opine opiniao outra outro ouvi ouvir ouviu pagar pagina paguei pai papel parar parece parecem
parecer parecido parte particular passa passado passar passeio peca pedido pedir pegar pegou pena pensando pensei penso
pequena pequeno perder perdi perfeito pergunta perguntar personagem personagens pertence perto pesa pesado pesam peso
pessoa pessoal pilha pior piores plastico pode podem poderia podia pois ponho ponto porta portanto possivel posso possui
pouca pouco praia pratica pratico precisa precisamos precisando precisar preciso preco preferido presente presentear
pretendo prima primeira primeiro primo principal problema procura procurando procurar procurava procuro produto
professor professora projetada projetado projeto projetou pronto propaganda proprio provar provavelmente proximo
publicada publicado publico puder pudesse qualidade quarto quase quebra quebrar quebrou queira quer querem queremos
querendo queria querida querido quero quintal quis rapido raro razao realidade realmente receber recebi recomenda
recomendacao recomendado recomendam recomendar recomende recomendou relancado resenha resiste resistente resolver
responda resposta resultado resume resumo reuniao revista romance rua ruim sabe sabem saber sabia sair saiu sala salvar
sao segue seguinte segunda segundo seguro sei semana sempre senhor senhora sente sentido serie servem servico servindo
servir serviria significa silencioso simplesmente sinopse sinto site situacao sobrinha sobrinho sobrou sogra sogro som
sozinho suficiente supermercado surpresa talvez tamanhao tamanho tarde tarefa tecnica tela tempinho tempo tenha tenham
tentar tentei terceira terceiro terminar teste testou tia tio tipo titulo toca tocar topo trabalha trabalhar trabalho
traducao traduz traduzido tras trata traz trazer tres troca trocar troco trocou ultima ultimo unica unico usa usada
usado usam usando usar usaria usei uso usou util vale valem valer valor vamos varanda variedade veio vejo velha velhinho
velho vem venda vende vendedor vendem vender vendido ver verao verdade verdadeiro versao vez vezes vezinha viagem viajar
vida vidro vir virar visita viu vivo vizinha vizinho volta voltagem voltar vontade""",
)
"""What a question says of a product or of its asker besides. Evidence only where it stands in the name.

A plural needs no entry of its own where it is the singular with an "s".
"""

KINDS = _words("""aparelho bacia balde barril bicicleta blusa bolo boneca brinquedo bule cabecas cachecol cadeira
cafeteira calca calcas camara camisa camiseta casaco casinha celular chaleira chapeu churrasqueira computador
cortador discos fone fones frigideira furadeira garrafa geladeira impressora jaqueta jarra jogo lampada lanterna
lente lixadeira luminaria mala maleta marmita martelo mochila oculos panela panelas prato pulseira radinho regador
relogio roupa saia sandalia sapato sapatos serra serrote tapete teclado telefone televisao tenis tesoura tigela tinta
toalha torneira torradeira travesseiro trem trenzinho vestido violao xicara""")
"""What Portuguese calls kinds of products. Titles are English as a rule: beside one, such a word names nothing more."""

OF = _words("of the de da das do dos")
LINKS = OF | _words("a an and at by for from in on to upon with ao com em na no o os para por um uma")
"""Function words that also stand within a name: "The Garden of Orsk", "Nice for Mice"; those of `OF` do little else."""

COLOURS = _words("""amarela amarelo azul bege beige black blue branca branco bronze brown burgundy charcoal chrome
cinza copper coral cream crimson cyan dourada dourado fuchsia gold golden gray green grey indigo ivory khaki laranja
lavender lilac lime magenta maroon marrom mint mustard navy olive orange peach pink plum prata prateado preta preto
purple red rosa rose roxa roxo ruby sapphire scarlet silver tan taupe teal turquoise verde vermelha vermelho violet
walnut white yellow""")
SIZES = _words("""x xx xxx extra xs small medium large xl xxl xxxl xlarge xxlarge mini jumbo king queen twin pequeno
medio grande""")
TAKES = _words("""hardcover hardback paperback softcover kindle ebook audiobook audio cd dvd vhs cassette bluray
unabridged abridged capa brochura print""")
VARIANTS = (COLOURS, SIZES, TAKES)
"""Two products that differ in a word of one of these are two products."""

LABELS = _words("""volume volumes vol v book books bk part parts pt edition ed episode season series disc number no
model size pack parte livro edicao temporada modelo tamanho numero""")
"""Words beside which a number tells one product of a series from the next."""
